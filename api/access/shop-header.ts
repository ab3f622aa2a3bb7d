/** Which shop a request is about. */
import type { Context } from 'hono';
import type { Database } from '../../db/connection.ts';
import { isShop } from '../../db/keys.ts';
import { ALL_SHOPS, MAIN_SHOP, SHOP_PATTERN, type ShopScope } from '../../domain/shops.ts';
import { Problem } from '../problems/problem.ts';
import type { Identity } from './identity.ts';
import type { Access } from './operations.ts';
import { Recent } from './recent.ts';

const HEADER = 'Holdfast-Shop';
const MOST_SHOPS = 10_000;

/** The header of a call that is about one shop, or that may be about all of them. */
export const shopParameter = (shops: 'one' | 'any') => ({
  name: HEADER,
  in: 'header' as const,
  description: `The shop that the call is about, for credentials of the whole installation: \`${MAIN_SHOP}\` unless given${shops === 'any' ? `, and \`${ALL_SHOPS}\` for all shops` : ''}. Other credentials are for one shop, and may name only that.`,
  schema: {
    type: 'string' as const,
    pattern: shops === 'any' ? `^\\*$|${SHOP_PATTERN}` : SHOP_PATTERN,
  },
  example: MAIN_SHOP,
});

const SHOP = new RegExp(SHOP_PATTERN);

export type ChooseShop = (c: Context, identity: Identity, access: Access) => Promise<ShopScope>;

export function createShopChoice(database: Database): ChooseShop {
  /** Shops stay, so one that was found once needs no second look. */
  const known = new Recent<true>(MOST_SHOPS);

  async function exists(shop: string): Promise<boolean> {
    if (shop === MAIN_SHOP || known.get(shop)) return true;
    if (!(await isShop(database, shop))) return false;
    known.set(shop, true);
    return true;
  }

  /** @throws {Problem} when the header is no shop's id, or names a shop that does not exist or is not the caller's. */
  return async (c, identity, { shops }) => {
    const named = readHeader(c);
    if (identity.shop !== null) {
      if (named !== undefined && named !== identity.shop)
        throw new Problem('forbidden', `These credentials are for the shop ${identity.shop} only.`);
      if (!(await exists(identity.shop)))
        throw new Problem(
          'forbidden',
          `These credentials are for the shop ${identity.shop}, which does not exist here.`,
        );
      return identity.shop;
    }
    if (shops === 'none') return ALL_SHOPS;
    const shop = named ?? MAIN_SHOP;
    if (shop === ALL_SHOPS && shops === 'one') throw invalid('this call is about one shop');
    if (shop !== ALL_SHOPS && !(await exists(shop)))
      throw new Problem('forbidden', `There is no shop ${shop} that these credentials could be for.`);
    return shop;
  };
}

function readHeader(c: Context): string | undefined {
  const named = c.req.header(HEADER);
  if (named === undefined || named === ALL_SHOPS || SHOP.test(named)) return named;
  throw invalid(`must be the id of a shop, or ${ALL_SHOPS}`);
}

const invalid = (message: string): Problem =>
  new Problem('validation_failed', `${HEADER}: ${message}`, { errors: [{ field: HEADER, message }] });
