/** Who gets the address of an order's workflow: those who look after it, and may sign in to Temporal's Web UI. */
import type { Role } from '../../domain/access.ts';
import { workflowUrl, type WebUi } from '../../domain/web-ui.ts';
import { orderWorkflowId } from '../../domain/workflow-ids.ts';

const GET: readonly Role[] = ['operator', 'auditor', 'admin'];

/** Undefined for everybody else, and where nobody has said where the Web UI is. */
export const workflowUrlFor = (
  { roles }: { roles: readonly Role[] },
  webUi: WebUi | undefined,
  orderId: string,
): string | undefined =>
  webUi !== undefined && GET.some((role) => roles.includes(role))
    ? workflowUrl(webUi, orderWorkflowId(orderId))
    : undefined;
