//! Commit: one transaction that writes all of a batch, or nothing.

use super::tables::{history_rows, working_rows};
use crate::batch::Batch;
use crate::projection::Rows;
use crate::rows::RecordChange;
use crate::store::CommitError;
use botswain_engine::Partition;
use rusqlite::{Connection, ErrorCode, ffi};

/// Binds the parameters of a statement in their order, and runs it.
macro_rules! run {
    ($statement:ident, $($value:expr),+ $(,)?) => {{
        let mut at = 0usize;
        $( at += 1; $statement.raw_bind_parameter(at, $value)?; )+
        debug_assert_eq!(at, $statement.parameter_count(), "every parameter is bound");
        $statement.raw_execute()
    }};
}
pub(super) use run;

/// Commits, or leaves everything as it was.
pub(super) fn commit(conn: &Connection, batch: &Batch) -> Result<(), CommitError> {
    atomically(conn, || {
        own(conn, batch)?;
        journal(conn, batch)?;
        working_rows(conn, batch.part, &batch.rows)?;
        history_rows(conn, batch.part, &batch.rows)?;
        records(conn, batch.part, &batch.rows)
    })
}

/// What ends a transaction before its commit.
pub(super) enum Abort {
    Refused(CommitError),
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for Abort {
    fn from(error: rusqlite::Error) -> Abort {
        Abort::Database(error)
    }
}

/// Runs `write` in one transaction.
pub(super) fn atomically(
    conn: &Connection,
    write: impl FnOnce() -> Result<(), Abort>,
) -> Result<(), CommitError> {
    let run = |sql: &str| -> Result<(), Abort> {
        conn.prepare_cached(sql)?.raw_execute()?;
        Ok(())
    };
    let written = run("BEGIN IMMEDIATE")
        .and_then(|()| write())
        .and_then(|()| run("COMMIT"));
    let Err(abort) = written else { return Ok(()) };
    // A refused COMMIT leaves the transaction open; only the rollback makes sure that nothing of it stays.
    let undone = conn.is_autocommit() || run("ROLLBACK").is_ok();
    Err(match abort {
        Abort::Refused(error) if undone => error,
        Abort::Refused(error) => {
            CommitError::Failed(format!("{error}, and the transaction could not be undone"))
        }
        Abort::Database(error) => classify(&error, undone),
    })
}

fn classify(error: &rusqlite::Error, undone: bool) -> CommitError {
    let Some(code) = error.sqlite_error() else {
        return CommitError::Failed(error.to_string());
    };
    match code.extended_code {
        ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC => {
            CommitError::SyncFailed(error.to_string())
        }
        // The shared-memory file of the write-ahead log could not grow: the same lack of room, found in another place.
        ffi::SQLITE_IOERR_SHMSIZE if undone => CommitError::Full,
        _ if code.code == ErrorCode::DiskFull && undone => CommitError::Full,
        _ => CommitError::Failed(error.to_string()),
    }
}

/// Moves the partition's marks on, which only its owner can.
fn own(conn: &Connection, batch: &Batch) -> Result<(), Abort> {
    let mut marks = conn.prepare_cached(
        "UPDATE partition SET seq = ?3, keys_used = ?4, clock = ?5 WHERE part = ?1 AND epoch = ?2 AND seq = ?3 - 1",
    )?;
    let changed = run!(
        marks,
        i64::from(batch.part.0),
        batch.epoch.cast_signed(),
        batch.seq.cast_signed(),
        batch.keys_used.cast_signed(),
        batch.now
    )?;
    if changed == 1 {
        return Ok(());
    }
    let (owner, seq) = marks_of(conn, batch.part)?;
    Err(Abort::Refused(if owner == batch.epoch {
        CommitError::Failed(format!("batch {} does not follow batch {seq}", batch.seq))
    } else {
        CommitError::Deposed {
            part: batch.part.0,
            epoch: batch.epoch,
            owner,
        }
    }))
}

/// The owner's epoch and the number of the last batch.
pub(super) fn marks_of(conn: &Connection, part: Partition) -> rusqlite::Result<(u64, u64)> {
    conn.prepare_cached(
        "SELECT coalesce(max(epoch), 0), coalesce(max(seq), 0) FROM partition WHERE part = ?1",
    )?
    .query_row([i64::from(part.0)], |row| {
        Ok((
            row.get::<_, i64>(0)?.cast_unsigned(),
            row.get::<_, i64>(1)?.cast_unsigned(),
        ))
    })
}

fn journal(conn: &Connection, batch: &Batch) -> Result<(), Abort> {
    let part = i64::from(batch.part.0);
    let mut insert = conn.prepare_cached(
        "INSERT INTO journal (part, root, segment, seq, data) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for entry in batch.journal() {
        let segment = entry.segment;
        run!(
            insert,
            part,
            segment.root.as_i64(),
            i64::from(segment.number),
            batch.seq.cast_signed(),
            &entry.data
        )?;
    }
    if batch.checkpoints().is_empty() {
        return Ok(());
    }
    let mut upsert = conn.prepare_cached(
        "INSERT INTO checkpoint (part, root, segment, seq, data) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (root, segment) DO UPDATE SET seq = excluded.seq, data = excluded.data",
    )?;
    for entry in batch.checkpoints() {
        let segment = entry.segment;
        run!(
            upsert,
            part,
            segment.root.as_i64(),
            i64::from(segment.number),
            batch.seq.cast_signed(),
            &entry.data
        )?;
    }
    Ok(())
}

fn records(conn: &Connection, part: Partition, rows: &Rows) -> Result<(), Abort> {
    for change in &rows.records {
        match change {
            RecordChange::Put(row) => super::records::put(conn, i64::from(part.0), row)?,
            RecordChange::Delete(row) => super::records::delete(conn, i64::from(part.0), row)?,
        }
    }
    Ok(())
}
