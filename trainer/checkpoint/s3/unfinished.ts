/** Marks uploads in parts while they run, so that those of dead writers can be removed: stores list them by object only, not by folder. */
import { sha256 } from './content.ts';
import { isAbandoned, UNFINISHED, unfinishedName } from '../unfinished-names.ts';
import { type Connection, textOf } from './connection.ts';
import type { Deed, Reach } from './reach.ts';
import { abortUpload, deleteObject, getRange, type ListedObject, listPage, listUploads, putObject } from './requests.ts';

export type Unfinished = {
  /** To be called before an upload of `name` begins; the mark. */
  begin(name: string): Promise<string>;
  /** To be called when nothing of it is left. */
  end(mark: string): Promise<void>;
  /** Aborts the uploads of writers that are gone. What may not be removed with these credentials, or not now, is left. */
  removeStale(): Promise<void>;
};

const MAX_NAME_BYTES = 2048;

/** @param root what the names of the store's objects begin with */
export function unfinishedUploads(connection: Connection, root: string, reach: Reach): Unfinished {
  const folder = `${root}${UNFINISHED}/`;

  const removeOne = async (mark: ListedObject): Promise<void> => {
    const name = await textOf(await getRange(connection, mark.name, 0, MAX_NAME_BYTES));
    for (const id of await listUploads(connection, name)) await abortUpload(connection, name, id);
    await deleteObject(connection, mark.name);
  };
  return {
    async begin(name) {
      const mark = `${folder}${unfinishedName()}`;
      const bytes = Buffer.from(name);
      const body = { parts: [bytes], sha256: sha256([bytes]), size: bytes.length };
      await reach(deed('PUT'), () => putObject(connection, mark, body, { digest: body.sha256, write: '', type: 'text/plain' }, {}));
      return mark;
    },
    async end(mark) {
      await reach(deed('DELETE'), () => deleteObject(connection, mark));
    },
    async removeStale() {
      const { objects } = await reach({ verb: 'list', key: '', method: 'GET' }, () => listPage(connection, folder, undefined));
      for (const mark of objects) {
        if (await isAbandoned(mark.name.slice(folder.length), () => mark.modified.getTime())) {
          await removeOne(mark).catch(() => undefined);
        }
      }
    },
  };
}

const deed = (method: string): Deed => ({ verb: 'mark', key: UNFINISHED, method });
