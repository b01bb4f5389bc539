//! Dump: all rows as text, so that two stores can be compared.

use super::decode::{Columns, Decode};
use super::{SqliteStore, load};
use crate::rows::{
    AgentRow, AttemptRow, AuditRow, Counts, DeduplicationRow, DefinitionRow, ElementRow,
    EnrolmentTokenRow, EvidenceRow, IncidentRow, InstanceRow, JobRow, MessageRow, PackageRow,
    RouteRow, SubscriptionRow, TimerRow, UserTaskRow, VariableRow,
};
use crate::store::StoreError;
use botswain_engine::Partition;
use rusqlite::{Connection, Row};
use std::fmt::{Debug, Write as _};

impl SqliteStore {
    /// All rows as text, table by table: two stores that say the same hold the same.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn dump(&self) -> Result<String, StoreError> {
        let conn = &self.conn;
        let mut out = String::new();
        rows::<InstanceRow>(conn, &mut out, "instance", "key")?;
        rows::<JobRow>(conn, &mut out, "job", "key")?;
        rows::<TimerRow>(conn, &mut out, "timer", "key")?;
        rows::<SubscriptionRow>(conn, &mut out, "subscription", "key")?;
        rows::<IncidentRow>(conn, &mut out, "incident", "key")?;
        rows::<UserTaskRow>(conn, &mut out, "user_task", "key")?;
        rows::<ElementRow>(conn, &mut out, "element", "key")?;
        rows::<VariableRow>(conn, &mut out, "variable", "variable.root, scope, name")?;
        listed(
            conn,
            &mut out,
            "continuation",
            "SELECT root FROM continuation ORDER BY root",
            |row| Columns::new(row).key(),
        )?;
        let counters =
            "SELECT part, definition, node, entered, completed, terminated, incidents FROM counter
                        ORDER BY part, definition, node";
        listed(conn, &mut out, "counter", counters, |row| {
            let mut c = Columns::new(row);
            let place = (Partition(c.next()?), c.key()?, c.next::<i64>()?);
            let (entered, completed, terminated, incidents) =
                (c.next()?, c.next()?, c.next()?, c.next()?);
            Ok((
                place,
                Counts {
                    entered,
                    completed,
                    terminated,
                    incidents,
                },
            ))
        })?;
        rows::<DefinitionRow>(conn, &mut out, "definition", "key")?;
        rows::<MessageRow>(conn, &mut out, "message", "key")?;
        let correlated =
            "SELECT message, process_id FROM message_correlated ORDER BY message, process_id";
        listed(conn, &mut out, "message_correlated", correlated, |row| {
            let mut c = Columns::new(row);
            Ok((c.key()?, c.text()?))
        })?;
        rows::<DeduplicationRow>(conn, &mut out, "deduplication", "part, id")?;
        rows::<AttemptRow>(conn, &mut out, "attempt", "part, id")?;
        rows::<EvidenceRow>(conn, &mut out, "evidence", "part, attempt, name")?;
        rows::<RouteRow>(conn, &mut out, "route", "job_type, version")?;
        rows::<AgentRow>(conn, &mut out, "agent", "id")?;
        rows::<EnrolmentTokenRow>(conn, &mut out, "enrolment_token", "digest")?;
        rows::<PackageRow>(conn, &mut out, "package", "digest")?;
        rows::<AuditRow>(conn, &mut out, "audit", "key")?;
        Ok(out)
    }
}

fn rows<R: Decode + Debug>(
    conn: &Connection,
    out: &mut String,
    table: &str,
    order: &str,
) -> Result<(), StoreError> {
    for row in load::all::<R>(conn, &format!("ORDER BY {order}"), [])? {
        let _infallible = writeln!(out, "{table} {row:?}");
    }
    Ok(())
}

fn listed<T: Debug>(
    conn: &Connection,
    out: &mut String,
    table: &str,
    sql: &str,
    decode: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<(), StoreError> {
    let mut statement = conn.prepare_cached(sql)?;
    for row in statement.query_map([], |row| decode(row))? {
        let _infallible = writeln!(out, "{table} {:?}", row?);
    }
    Ok(())
}
