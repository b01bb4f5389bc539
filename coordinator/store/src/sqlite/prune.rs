//! Prune: what is older than the retention goes, in slices.

use super::commit::{Abort, atomically, marks_of, run};
use crate::store::{CommitError, Pruned};
use botswain_engine::{Millis, Partition};
use rusqlite::Connection;

/// Everything that belongs to an instance; the header goes last.
const OF_INSTANCE: [&str; 11] = [
    "DELETE FROM journal WHERE part = ?1 AND root = ?2",
    "DELETE FROM checkpoint WHERE part = ?1 AND root = ?2",
    "DELETE FROM element WHERE part = ?1 AND key IN (SELECT key FROM element WHERE part = ?1 AND root = ?2)",
    "DELETE FROM variable WHERE part = ?1 AND root = ?2",
    "DELETE FROM blob WHERE part = ?1 AND root = ?2",
    "DELETE FROM incident WHERE part = ?1 AND root = ?2",
    "DELETE FROM user_task WHERE part = ?1 AND root = ?2",
    "DELETE FROM continuation WHERE part = ?1 AND root = ?2",
    "DELETE FROM evidence WHERE part = ?1 AND attempt IN (SELECT id FROM attempt WHERE part = ?1 AND root = ?2)",
    "DELETE FROM attempt WHERE part = ?1 AND root = ?2",
    "DELETE FROM instance WHERE part = ?1 AND key = ?2",
];

/// Takes away at most `limit` ended instances and as many replies.
pub(super) fn prune(
    conn: &Connection,
    part: Partition,
    epoch: u64,
    before: Millis,
    limit: usize,
) -> Result<Pruned, CommitError> {
    let (p, limit) = (i64::from(part.0), i64::try_from(limit).unwrap_or(i64::MAX));
    let mut pruned = Pruned::default();
    atomically(conn, || {
        let (owner, _) = marks_of(conn, part)?;
        if owner != epoch {
            return Err(Abort::Refused(CommitError::Deposed {
                part: part.0,
                epoch,
                owner,
            }));
        }
        let mut ended = conn.prepare_cached(
            "SELECT key FROM instance WHERE part = ?1 AND ended_at IS NOT NULL AND ended_at < ?2 ORDER BY ended_at, key LIMIT ?3",
        )?;
        let roots: Vec<i64> = ended
            .query_map((p, before, limit), |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        for sql in OF_INSTANCE {
            let mut statement = conn.prepare_cached(sql)?;
            for root in &roots {
                run!(statement, p, root)?;
            }
        }
        let mut replies = conn.prepare_cached(
            "DELETE FROM deduplication WHERE part = ?1 AND id IN (SELECT id FROM deduplication WHERE part = ?1 AND at < ?2
             ORDER BY at, id LIMIT ?3)",
        )?;
        pruned = Pruned {
            instances: roots.len(),
            replies: run!(replies, p, before, limit)?,
        };
        Ok(())
    })?;
    Ok(pruned)
}
