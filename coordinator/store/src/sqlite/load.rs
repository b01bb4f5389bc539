//! Load: the reading half of the SQLite store.

use super::SqliteStore;
use super::commit;
use super::decode::{Columns, Decode};
use crate::batch::Batch;
use crate::format::Loaded;
use crate::rows::{
    AgentRow, AttemptRow, DeduplicationRow, DefinitionRow, Digest, ElementRow, EnrolmentTokenRow,
    EvidenceRow, IncidentRow, InstanceRow, JobRow, MessageRow, PackageRow, RouteRow,
    SubscriptionRow, TimerRow, UserTaskRow,
};
use crate::store::{CommitError, Pruned, Recovered, Store, StoreError};
use botswain_engine::{Key, Millis, Partition, SegmentId};
use rusqlite::{Connection, OptionalExtension, Params};
use smol_str::SmolStr;
use uuid::Uuid;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        StoreError::Database(error.to_string())
    }
}

/// Reads all rows that a condition and an order name.
pub(crate) fn all<R: Decode>(
    conn: &Connection,
    rest: &str,
    params: impl Params,
) -> Result<Vec<R>, StoreError> {
    let sql = format!("SELECT {} FROM {} {rest}", R::COLUMNS, R::TABLE);
    let mut statement = conn.prepare_cached(&sql)?;
    let rows = statement.query_map(params, |row| R::decode(row))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Reads the one row that a condition names.
pub(crate) fn one<R: Decode>(
    conn: &Connection,
    rest: &str,
    params: impl Params,
) -> Result<Option<R>, StoreError> {
    let sql = format!("SELECT {} FROM {} {rest}", R::COLUMNS, R::TABLE);
    let mut statement = conn.prepare_cached(&sql)?;
    Ok(statement
        .query_row(params, |row| R::decode(row))
        .optional()?)
}

/// Reads the row of a key.
pub(crate) fn by_key<R: Decode>(conn: &Connection, key: Key) -> Result<Option<R>, StoreError> {
    one(
        conn,
        "WHERE part = ?1 AND key = ?2",
        (part_of(key), key.as_i64()),
    )
}

/// The last checkpoint of a segment and the journal after it.
pub(crate) fn segment(conn: &Connection, id: SegmentId) -> Result<Option<Loaded>, StoreError> {
    let name = (part_of(id.root), id.root.as_i64(), i64::from(id.number));
    let checkpoint: Option<(i64, Vec<u8>)> = conn
        .prepare_cached(
            "SELECT seq, data FROM checkpoint WHERE part = ?1 AND root = ?2 AND segment = ?3",
        )?
        .query_row(name, |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let after = checkpoint.as_ref().map_or(0, |(seq, _)| *seq);
    let mut statement = conn.prepare_cached(
        "SELECT seq, data FROM journal WHERE part = ?1 AND root = ?2 AND segment = ?3 AND seq > ?4 ORDER BY seq",
    )?;
    let rows = statement.query_map((name.0, name.1, name.2, after), |row| {
        let mut c = Columns::new(row);
        Ok((c.next::<i64>()?.cast_unsigned(), c.next()?))
    })?;
    let journal: Vec<_> = rows.collect::<rusqlite::Result<_>>()?;
    if checkpoint.is_none() && journal.is_empty() {
        return Ok(None);
    }
    Ok(Some(Loaded {
        checkpoint: checkpoint.map(|(_, data)| data),
        journal,
    }))
}

fn part_of(key: Key) -> i64 {
    i64::from(key.partition().0)
}

fn behind(after: Option<Key>) -> i64 {
    after.map_or(-1, Key::as_i64)
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

impl Store for SqliteStore {
    fn recover(&mut self, part: Partition) -> Result<Recovered, StoreError> {
        let p = i64::from(part.0);
        let transaction = self.conn.unchecked_transaction()?;
        transaction.execute(
            "INSERT INTO partition (part, epoch, seq, keys_used, clock) VALUES (?1, 1, 0, 0, 0)
             ON CONFLICT (part) DO UPDATE SET epoch = epoch + 1",
            [p],
        )?;
        transaction.commit()?;
        let mut continuations = self.conn.prepare_cached(
            "SELECT root FROM continuation JOIN instance ON instance.part = continuation.part AND key = root
             WHERE continuation.part = ?1 AND state = 0 ORDER BY root",
        )?;
        let continuations: Vec<Key> = continuations
            .query_map([p], |row| Columns::new(row).key())?
            .collect::<rusqlite::Result<_>>()?;
        let sql = "SELECT epoch, seq, keys_used, clock FROM partition WHERE part = ?1";
        Ok(self.conn.prepare_cached(sql)?.query_row([p], |row| {
            let mut c = Columns::new(row);
            Ok(Recovered {
                epoch: c.next::<i64>()?.cast_unsigned(),
                seq: c.next::<i64>()?.cast_unsigned(),
                keys_used: c.next::<i64>()?.cast_unsigned(),
                clock: c.next()?,
                continuations,
            })
        })?)
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        commit::commit(&self.conn, batch)?;
        self.checkpointer.after_commit(&self.conn);
        if self.checkpointer.sync_failed() {
            return Err(CommitError::SyncFailed(
                "a checkpoint of the write-ahead log was not synced".to_owned(),
            ));
        }
        Ok(())
    }

    fn load_segment(&mut self, id: SegmentId) -> Result<Option<Loaded>, StoreError> {
        segment(&self.conn, id)
    }

    fn instance(&mut self, key: Key) -> Result<Option<InstanceRow>, StoreError> {
        by_key(&self.conn, key)
    }

    fn job(&mut self, key: Key) -> Result<Option<JobRow>, StoreError> {
        by_key(&self.conn, key)
    }

    fn element(&mut self, key: Key) -> Result<Option<ElementRow>, StoreError> {
        by_key(&self.conn, key)
    }

    fn incident(&mut self, key: Key) -> Result<Option<IncidentRow>, StoreError> {
        by_key(&self.conn, key)
    }

    fn user_task(&mut self, key: Key) -> Result<Option<UserTaskRow>, StoreError> {
        by_key(&self.conn, key)
    }

    fn timer(&mut self, key: Key) -> Result<Option<TimerRow>, StoreError> {
        by_key(&self.conn, key)
    }

    fn open_jobs(
        &mut self,
        part: Partition,
        job_type: &str,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<JobRow>, StoreError> {
        let condition = "WHERE part = ?1 AND job_type = ?2 AND key > ?3 AND leg IS NULL AND state = 0 ORDER BY key LIMIT ?4";
        all(
            &self.conn,
            condition,
            (i64::from(part.0), job_type, behind(after), count(limit)),
        )
    }

    fn open_job_types(
        &mut self,
        part: Partition,
        after: &str,
        limit: usize,
    ) -> Result<Vec<SmolStr>, StoreError> {
        // One seek for each type; a plain DISTINCT would read a million waiting jobs to find three names.
        let mut next = self.conn.prepare_cached(
            "SELECT job_type FROM job WHERE part = ?1 AND job_type > ?2 AND leg IS NULL AND state = 0
             ORDER BY job_type LIMIT 1",
        )?;
        let mut types: Vec<SmolStr> = Vec::new();
        while types.len() < limit {
            let last = types.last().map_or(after, SmolStr::as_str);
            let found = next
                .query_row((i64::from(part.0), last), |row| Columns::new(row).text())
                .optional()?;
            match found {
                Some(name) => types.push(name),
                None => break,
            }
        }
        Ok(types)
    }

    fn held_jobs(
        &mut self,
        part: Partition,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<JobRow>, StoreError> {
        let condition = "WHERE part = ?1 AND key > ?2 AND leg IS NOT NULL ORDER BY key LIMIT ?3";
        all(
            &self.conn,
            condition,
            (i64::from(part.0), behind(after), count(limit)),
        )
    }

    fn next_timers(
        &mut self,
        part: Partition,
        after: Option<(Millis, Key)>,
        limit: usize,
    ) -> Result<Vec<TimerRow>, StoreError> {
        let (due, key) = after.map_or((i64::MIN, -1), |(due, key)| (due, key.as_i64()));
        let condition = "WHERE part = ?1 AND (due, key) > (?2, ?3) ORDER BY due, key LIMIT ?4";
        all(
            &self.conn,
            condition,
            (i64::from(part.0), due, key, count(limit)),
        )
    }

    fn subscriptions(
        &mut self,
        part: Partition,
        name: &str,
        correlation_key: &str,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<SubscriptionRow>, StoreError> {
        let condition = "WHERE part = ?1 AND name = ?2 AND correlation_key = ?3 AND key > ?4 ORDER BY key LIMIT ?5";
        all(
            &self.conn,
            condition,
            (
                i64::from(part.0),
                name,
                correlation_key,
                behind(after),
                count(limit),
            ),
        )
    }

    fn messages(
        &mut self,
        part: Partition,
        name: &str,
        correlation_key: &str,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<MessageRow>, StoreError> {
        let condition = "WHERE part = ?1 AND name = ?2 AND correlation_key = ?3 AND key > ?4 ORDER BY key LIMIT ?5";
        all(
            &self.conn,
            condition,
            (
                i64::from(part.0),
                name,
                correlation_key,
                behind(after),
                count(limit),
            ),
        )
    }

    fn message(&mut self, key: Key) -> Result<Option<MessageRow>, StoreError> {
        by_key(&self.conn, key)
    }

    fn expired_messages(
        &mut self,
        part: Partition,
        now: Millis,
        limit: usize,
    ) -> Result<Vec<Key>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT key FROM message WHERE part = ?1 AND expires_at <= ?2 ORDER BY expires_at, key LIMIT ?3",
        )?;
        let rows = statement.query_map((i64::from(part.0), now, count(limit)), |row| {
            Columns::new(row).key()
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn message_was_correlated(
        &mut self,
        message: Key,
        process_id: &str,
    ) -> Result<bool, StoreError> {
        let sql =
            "SELECT 1 FROM message_correlated WHERE part = ?1 AND message = ?2 AND process_id = ?3";
        Ok(self.conn.prepare_cached(sql)?.exists((
            part_of(message),
            message.as_i64(),
            process_id,
        ))?)
    }

    fn reply(&mut self, part: Partition, id: Uuid) -> Result<Option<DeduplicationRow>, StoreError> {
        one(
            &self.conn,
            "WHERE part = ?1 AND id = ?2",
            (i64::from(part.0), id.as_bytes().as_slice()),
        )
    }

    fn definitions(
        &mut self,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<DefinitionRow>, StoreError> {
        let condition = "WHERE part = ?1 AND key > ?2 ORDER BY key LIMIT ?3";
        all(&self.conn, condition, (SHARED, behind(after), count(limit)))
    }

    fn definition(&mut self, key: Key) -> Result<Option<DefinitionRow>, StoreError> {
        by_key(&self.conn, key)
    }

    fn routes(&mut self) -> Result<Vec<RouteRow>, StoreError> {
        let condition =
            "AS r WHERE part = ?1 AND version = (SELECT max(version) FROM route AS newer
             WHERE newer.part = r.part AND newer.job_type = r.job_type) ORDER BY job_type";
        all(&self.conn, condition, [SHARED])
    }

    fn agents(&mut self) -> Result<Vec<AgentRow>, StoreError> {
        all(&self.conn, "WHERE part = ?1 ORDER BY id", [SHARED])
    }

    fn enrolment_token(&mut self, digest: Digest) -> Result<Option<EnrolmentTokenRow>, StoreError> {
        one(
            &self.conn,
            "WHERE part = ?1 AND digest = ?2",
            (SHARED, digest.0.as_slice()),
        )
    }

    fn packages(&mut self) -> Result<Vec<PackageRow>, StoreError> {
        let sql =
            "SELECT digest, name, version, x'' AS bytes, pushed_at FROM package WHERE part = ?1
                   ORDER BY name, version, digest";
        let mut statement = self.conn.prepare_cached(sql)?;
        let rows = statement.query_map([SHARED], PackageRow::decode)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn package(&mut self, digest: Digest) -> Result<Option<PackageRow>, StoreError> {
        one(
            &self.conn,
            "WHERE part = ?1 AND digest = ?2",
            (SHARED, digest.0.as_slice()),
        )
    }

    fn attempt(&mut self, part: Partition, id: Uuid) -> Result<Option<AttemptRow>, StoreError> {
        one(
            &self.conn,
            "WHERE part = ?1 AND id = ?2",
            (i64::from(part.0), id.as_bytes().as_slice()),
        )
    }

    fn attempts(&mut self, job: Key) -> Result<Vec<AttemptRow>, StoreError> {
        all(
            &self.conn,
            "WHERE part = ?1 AND job = ?2 ORDER BY fence, id",
            (part_of(job), job.as_i64()),
        )
    }

    fn evidence(&mut self, part: Partition, attempt: Uuid) -> Result<Vec<EvidenceRow>, StoreError> {
        let condition = "WHERE part = ?1 AND attempt = ?2 ORDER BY name";
        all(
            &self.conn,
            condition,
            (i64::from(part.0), attempt.as_bytes().as_slice()),
        )
    }

    fn prune(
        &mut self,
        part: Partition,
        epoch: u64,
        before: Millis,
        limit: usize,
    ) -> Result<Pruned, CommitError> {
        let pruned = super::prune::prune(&self.conn, part, epoch, before, limit)?;
        self.checkpointer.after_commit(&self.conn);
        Ok(pruned)
    }
}

/// Definitions, routes, agents, enrolment tokens and packages belong to partition 1.
pub(crate) const SHARED: i64 = 1;
