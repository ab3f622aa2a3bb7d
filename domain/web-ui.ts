/** Addresses in Temporal's Web UI. */

export interface WebUi {
  /** Without a final slash. */
  url: string;
  namespace: string;
}

/** The newest run of a workflow. */
export const workflowUrl = ({ url, namespace }: WebUi, workflowId: string): string =>
  `${url}/namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(workflowId)}`;

/** What a query finds. */
export const queryUrl = ({ url, namespace }: WebUi, query: string): string =>
  `${url}/namespaces/${encodeURIComponent(namespace)}/workflows?query=${encodeURIComponent(query)}`;
