//! Tables: how the netted changes of the engine's rows are executed.

use super::commit::{Abort, run};
use crate::projection::Rows;
use crate::rows::{Change, Held, IncidentState, JobPatch, Net, Patch, UserTaskRow, job_state_code};
use crate::store::BLOB_BYTES_MIN;
use botswain_engine::{Key, Partition};
use rusqlite::{CachedStatement, Connection};
use smol_str::SmolStr;

/// Executes the changes of one table.
fn table<P: Patch>(
    conn: &Connection,
    part: Partition,
    changes: &Net<Key, P>,
    name: TableSql,
    mut insert: impl FnMut(&mut CachedStatement<'_>, &P::Row) -> rusqlite::Result<usize>,
    mut update: impl FnMut(&mut CachedStatement<'_>, Key, &P) -> rusqlite::Result<usize>,
) -> rusqlite::Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let mut insertion = conn.prepare_cached(name.insert)?;
    let mut change_some = conn.prepare_cached(name.update)?;
    let mut deletion = conn.prepare_cached(name.delete)?;
    let part = i64::from(part.0);
    for (key, change) in changes.iter() {
        match change {
            Change::Nothing => {}
            Change::Insert(row) => drop(insert(&mut insertion, row)?),
            Change::Replace(row) => {
                run!(deletion, part, key.as_i64())?;
                insert(&mut insertion, row)?;
            }
            Change::Update(patch) => drop(update(&mut change_some, *key, patch)?),
            Change::Delete => drop(run!(deletion, part, key.as_i64())?),
        }
    }
    Ok(())
}

struct TableSql {
    insert: &'static str,
    update: &'static str,
    delete: &'static str,
}

/// Writes the rows of what runs and waits.
pub(super) fn working_rows(conn: &Connection, part: Partition, rows: &Rows) -> Result<(), Abort> {
    let p = i64::from(part.0);
    let sql = TableSql {
        insert: "INSERT INTO instance (part, key, definition, state, started_at, ended_at, business_id, tags, incidents,
                 stop_reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        update: "UPDATE instance SET state = coalesce(?3, state), ended_at = coalesce(?4, ended_at),
                 incidents = incidents + ?5, stop_reason = coalesce(?6, stop_reason) WHERE part = ?1 AND key = ?2",
        delete: "DELETE FROM instance WHERE part = ?1 AND key = ?2",
    };
    table(
        conn,
        part,
        &rows.instances,
        sql,
        |s, r| {
            let (key, definition) = (r.key.as_i64(), r.definition.as_i64());
            let (business, tags) = (r.business_id.as_deref(), list(&r.tags));
            run!(
                s,
                p,
                key,
                definition,
                r.state.code(),
                r.started_at,
                r.ended_at,
                business,
                tags,
                r.incidents,
                &r.stop_reason
            )
        },
        |s, key, c| {
            run!(
                s,
                p,
                key.as_i64(),
                c.state.map(|state| state.code()),
                c.ended_at,
                c.incidents,
                &c.stop_reason
            )
        },
    )?;
    jobs(conn, part, rows)?;
    let sql = TableSql {
        insert: "INSERT INTO timer (part, key, root, segment, token, definition, node, due)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        update: "SELECT 1",
        delete: "DELETE FROM timer WHERE part = ?1 AND key = ?2",
    };
    table(
        conn,
        part,
        &rows.timers,
        sql,
        |s, r| {
            let (key, root, segment) = (r.key.as_i64(), r.root.as_i64(), i64::from(r.segment));
            run!(
                s,
                p,
                key,
                root,
                segment,
                r.token.as_i64(),
                r.definition.as_i64(),
                i64::from(r.on.0),
                r.due
            )
        },
        |_, _, _| Ok(0),
    )?;
    let sql = TableSql {
        insert: "INSERT INTO subscription (part, key, root, segment, token, definition, node, name, correlation_key, once,
                 created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        update: "SELECT 1",
        delete: "DELETE FROM subscription WHERE part = ?1 AND key = ?2",
    };
    table(
        conn,
        part,
        &rows.subscriptions,
        sql,
        |s, r| {
            let (key, root, segment) = (r.key.as_i64(), r.root.as_i64(), i64::from(r.segment));
            let (token, definition, node) =
                (r.token.as_i64(), r.definition.as_i64(), i64::from(r.on.0));
            let (name, correlation_key) = (r.name.as_str(), r.correlation_key.as_str());
            run!(
                s,
                p,
                key,
                root,
                segment,
                token,
                definition,
                node,
                name,
                correlation_key,
                r.once,
                r.created_at
            )
        },
        |_, _, _| Ok(0),
    )?;
    people(conn, part, rows)?;
    for (root, left) in &rows.continuations {
        let sql = if *left {
            "INSERT INTO continuation (part, root) VALUES (?1, ?2) ON CONFLICT (part, root) DO NOTHING"
        } else {
            "DELETE FROM continuation WHERE part = ?1 AND root = ?2"
        };
        let mut statement = conn.prepare_cached(sql)?;
        run!(statement, p, root.as_i64())?;
    }
    Ok(())
}

fn jobs(conn: &Connection, part: Partition, rows: &Rows) -> Result<(), Abort> {
    let p = i64::from(part.0);
    let sql = TableSql {
        insert: "INSERT INTO job (part, key, root, segment, token, definition, node, job_type, retries, retry_at, state,
                 created_at, fence, leg, leg_name, holder, attempt, lease_until)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
        update: "UPDATE job SET retries = coalesce(?3, retries), state = coalesce(?4, state), fence = coalesce(?5, fence),
                 retry_at = CASE WHEN ?6 THEN ?7 ELSE retry_at END,
                 leg = CASE WHEN ?8 THEN ?9 ELSE leg END, leg_name = CASE WHEN ?8 THEN ?10 ELSE leg_name END,
                 holder = CASE WHEN ?8 THEN ?11 ELSE holder END, attempt = CASE WHEN ?8 THEN ?12 ELSE attempt END,
                 lease_until = CASE WHEN ?8 THEN ?13 ELSE lease_until END
                 WHERE part = ?1 AND key = ?2",
        delete: "DELETE FROM job WHERE part = ?1 AND key = ?2",
    };
    table(
        conn,
        part,
        &rows.jobs,
        sql,
        |s, r| {
            let (key, root, segment) = (r.key.as_i64(), r.root.as_i64(), i64::from(r.segment));
            let (token, definition, node) =
                (r.token.as_i64(), r.definition.as_i64(), i64::from(r.node.0));
            let (state, fence) = (job_state_code(r.state), r.fence.cast_signed());
            let (leg, leg_name, holder, attempt, lease) = held(r.held.as_ref());
            run!(
                s,
                p,
                key,
                root,
                segment,
                token,
                definition,
                node,
                r.job_type.as_str(),
                r.retries,
                r.retry_at,
                state,
                r.created_at,
                fence,
                leg,
                leg_name,
                holder,
                attempt,
                lease
            )
        },
        |s, key, c: &JobPatch| {
            let (leg, leg_name, holder, attempt, lease) =
                held(c.held.as_ref().and_then(Option::as_ref));
            run!(
                s,
                p,
                key.as_i64(),
                c.retries,
                c.state.map(job_state_code),
                c.fence.map(u64::cast_signed),
                c.retry_at.is_some(),
                c.retry_at.flatten(),
                c.held.is_some(),
                leg,
                leg_name,
                holder,
                attempt,
                lease
            )
        },
    )?;
    Ok(())
}

type HeldColumns<'a> = (
    Option<i64>,
    Option<&'a str>,
    Option<&'a str>,
    Option<&'a [u8]>,
    Option<i64>,
);

fn held(held: Option<&Held>) -> HeldColumns<'_> {
    match held {
        None => (None, None, None, None, None),
        Some(held) => (
            Some(held.leg.code()),
            Some(held.leg_name.as_str()),
            Some(held.holder.as_str()),
            Some(held.attempt.as_bytes().as_slice()),
            held.lease_until,
        ),
    }
}

fn people(conn: &Connection, part: Partition, rows: &Rows) -> Result<(), Abort> {
    let p = i64::from(part.0);
    let sql = TableSql {
        insert: "INSERT INTO incident (part, key, root, segment, token, definition, node, kind, message, job, raised_at, state,
                 resolved_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        update: "UPDATE incident SET state = CASE WHEN ?3 IS NULL THEN state ELSE ?4 END,
                 resolved_at = coalesce(?3, resolved_at) WHERE part = ?1 AND key = ?2",
        delete: "DELETE FROM incident WHERE part = ?1 AND key = ?2",
    };
    table(
        conn,
        part,
        &rows.incidents,
        sql,
        |s, r| {
            let (key, root, segment) = (r.key.as_i64(), r.root.as_i64(), i64::from(r.segment));
            let (token, definition, node) =
                (r.token.as_i64(), r.definition.as_i64(), i64::from(r.node.0));
            let job = r.job.map(Key::as_i64);
            let state = r.state.code();
            let kind = r.kind.name();
            run!(
                s,
                p,
                key,
                root,
                segment,
                token,
                definition,
                node,
                kind,
                &r.message,
                job,
                r.raised_at,
                state,
                r.resolved_at
            )
        },
        |s, key, c| {
            run!(
                s,
                p,
                key.as_i64(),
                c.resolved_at,
                IncidentState::Resolved.code()
            )
        },
    )?;
    let sql = TableSql {
        insert: "INSERT INTO user_task (part, key, root, segment, token, definition, node, state, assignee, candidate_groups,
                 candidate_users, due_date, follow_up_date, form, priority, created_at, ended_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        update: "UPDATE user_task SET assignee = CASE WHEN ?3 THEN ?4 ELSE assignee END, state = coalesce(?5, state),
                 ended_at = coalesce(?6, ended_at) WHERE part = ?1 AND key = ?2",
        delete: "DELETE FROM user_task WHERE part = ?1 AND key = ?2",
    };
    table(
        conn,
        part,
        &rows.user_tasks,
        sql,
        |s, r: &UserTaskRow| {
            let (key, root, segment) = (r.key.as_i64(), r.root.as_i64(), i64::from(r.segment));
            let (token, definition, node) =
                (r.token.as_i64(), r.definition.as_i64(), i64::from(r.node.0));
            let d = &r.details;
            run!(
                s,
                p,
                key,
                root,
                segment,
                token,
                definition,
                node,
                r.state.code(),
                d.assignee.as_deref(),
                list(&d.candidate_groups),
                list(&d.candidate_users),
                d.due_date.as_deref(),
                d.follow_up_date.as_deref(),
                d.form.as_deref(),
                i64::from(d.priority),
                r.created_at,
                r.ended_at
            )
        },
        |s, key, c| {
            let assignee = c.assignee.as_ref().and_then(|to| to.as_deref());
            let (at, state) = c
                .ended
                .map_or((None, None), |(at, state)| (Some(at), Some(state.code())));
            run!(
                s,
                p,
                key.as_i64(),
                c.assignee.is_some(),
                assignee,
                state,
                at
            )
        },
    )?;
    Ok(())
}

/// Writes the rows of what was.
pub(super) fn history_rows(conn: &Connection, part: Partition, rows: &Rows) -> Result<(), Abort> {
    let p = i64::from(part.0);
    let sql = TableSql {
        insert: "INSERT INTO element (part, key, root, segment, scope, definition, node, entered_at, left_at, state, incident,
                 job) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        update: "UPDATE element SET left_at = coalesce(?3, left_at), state = coalesce(?4, state),
                 incident = CASE WHEN ?5 THEN ?6 ELSE incident END, job = coalesce(?7, job)
                 WHERE part = ?1 AND key = ?2",
        delete: "DELETE FROM element WHERE part = ?1 AND key = ?2",
    };
    table(
        conn,
        part,
        &rows.elements,
        sql,
        |s, r| {
            let (key, root, segment) = (r.key.as_i64(), r.root.as_i64(), i64::from(r.segment));
            let (scope, definition, node) =
                (r.scope.as_i64(), r.definition.as_i64(), i64::from(r.node.0));
            let (state, incident, job) = (
                r.state.code(),
                r.incident.map(Key::as_i64),
                r.job.map(Key::as_i64),
            );
            run!(
                s,
                p,
                key,
                root,
                segment,
                scope,
                definition,
                node,
                r.entered_at,
                r.left_at,
                state,
                incident,
                job
            )
        },
        |s, key, c| {
            let (at, state) = c
                .left
                .map_or((None, None), |(at, state)| (Some(at), Some(state.code())));
            let incident = c.incident.flatten().map(Key::as_i64);
            run!(
                s,
                p,
                key.as_i64(),
                at,
                state,
                c.incident.is_some(),
                incident,
                c.job.map(Key::as_i64)
            )
        },
    )?;
    variables(conn, p, rows)?;
    let mut counter = conn.prepare_cached(
        "INSERT INTO counter (part, definition, node, entered, completed, terminated, incidents)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (part, definition, node) DO UPDATE SET entered = entered + excluded.entered,
         completed = completed + excluded.completed, terminated = terminated + excluded.terminated,
         incidents = incidents + excluded.incidents",
    )?;
    for (definition, node, c) in rows.counts() {
        run!(
            counter,
            p,
            definition.as_i64(),
            node,
            c.entered,
            c.completed,
            c.terminated,
            c.incidents
        )?;
    }
    Ok(())
}

fn variables(conn: &Connection, p: i64, rows: &Rows) -> Result<(), Abort> {
    let mut upsert = conn.prepare_cached(
        "INSERT INTO variable (part, root, scope, name, value, digest, size) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (root, scope, name) DO UPDATE SET value = excluded.value, digest = excluded.digest,
         size = excluded.size",
    )?;
    for row in rows.variables() {
        let (root, scope, text) = (row.root.as_i64(), row.scope.as_i64(), row.value.as_str());
        let size = text.len().cast_signed();
        if text.len() < BLOB_BYTES_MIN {
            run!(
                upsert,
                p,
                root,
                scope,
                row.name.as_str(),
                text,
                None::<&[u8]>,
                size
            )?;
            continue;
        }
        let digest = crate::rows::Digest::of(text.as_bytes());
        let mut blob = conn.prepare_cached(
            "INSERT INTO blob (part, root, digest, data) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (root, digest) DO NOTHING",
        )?;
        run!(blob, p, root, digest.0.as_slice(), text)?;
        run!(
            upsert,
            p,
            root,
            scope,
            row.name.as_str(),
            None::<&str>,
            digest.0.as_slice(),
            size
        )?;
    }
    Ok(())
}

/// A list of names as a JSON array; none for an empty one.
fn list(names: &[SmolStr]) -> Option<String> {
    (!names.is_empty())
        .then(|| serde_json::Value::from_iter(names.iter().map(SmolStr::as_str)).to_string())
}
