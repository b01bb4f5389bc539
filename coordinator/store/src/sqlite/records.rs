//! Records: how the runtime's own rows are written.

use super::commit::{Abort, run};
use crate::rows::{Delete, Put};
use botswain_engine::Variables;
use botswain_engine::process::Role;
use rusqlite::Connection;

/// The stored number of what a symbol stands for.
pub(super) const fn role_code(role: Role) -> i64 {
    match role {
        Role::Process => 0,
        Role::Element => 1,
        Role::Body => 2,
        Role::Flow => 3,
    }
}

pub(super) fn put(conn: &Connection, part: i64, row: &Put) -> Result<(), Abort> {
    match row {
        Put::Definition(r) => {
            let mut upsert = conn.prepare_cached(
                "INSERT INTO definition (part, key, process_id, version, version_tag, name, resource_name, digest, xml, symbols,
                 deployed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
                 ON CONFLICT (part, key) DO UPDATE SET process_id = excluded.process_id, version = excluded.version,
                 version_tag = excluded.version_tag, name = excluded.name, resource_name = excluded.resource_name,
                 digest = excluded.digest, xml = excluded.xml, symbols = excluded.symbols,
                 deployed_at = excluded.deployed_at",
            )?;
            let symbols = postcard::to_stdvec(&r.symbols)
                .expect("a symbol table always serializes: it is a list of texts");
            let (tag, digest) = (r.version_tag.as_deref(), r.digest.0.as_slice());
            let (id, key) = (r.process_id.as_str(), r.key.as_i64());
            run!(
                upsert,
                part,
                key,
                id,
                r.version,
                tag,
                &r.name,
                &r.resource_name,
                digest,
                &r.xml,
                symbols,
                r.deployed_at
            )?;
            let mut symbol = conn.prepare_cached(
                "INSERT INTO symbol (part, definition, node, id, role) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (part, definition, node) DO UPDATE SET id = excluded.id, role = excluded.role",
            )?;
            for (node, name) in r.symbols.0.iter().enumerate() {
                run!(
                    symbol,
                    part,
                    key,
                    node.cast_signed(),
                    name.id.as_str(),
                    role_code(name.role)
                )?;
            }
        }
        Put::Message(r) => {
            let mut upsert = conn.prepare_cached(
                "INSERT INTO message (part, key, name, correlation_key, message_id, expires_at, variables)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (part, key) DO UPDATE SET name = excluded.name, correlation_key = excluded.correlation_key,
                 message_id = excluded.message_id, expires_at = excluded.expires_at, variables = excluded.variables",
            )?;
            let (name, correlation_key, id) = (
                r.name.as_str(),
                r.correlation_key.as_str(),
                r.message_id.as_deref(),
            );
            run!(
                upsert,
                part,
                r.key.as_i64(),
                name,
                correlation_key,
                id,
                r.expires_at,
                json(&r.variables)
            )?;
        }
        Put::MessageCorrelated(r) => {
            let mut insert = conn.prepare_cached(
                "INSERT INTO message_correlated (part, message, process_id) VALUES (?1, ?2, ?3)
                 ON CONFLICT (part, message, process_id) DO NOTHING",
            )?;
            run!(insert, part, r.message.as_i64(), r.process_id.as_str())?;
        }
        Put::Deduplication(r) => {
            let mut upsert = conn.prepare_cached(
                "INSERT INTO deduplication (part, id, reply, at) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (part, id) DO UPDATE SET reply = excluded.reply, at = excluded.at",
            )?;
            run!(upsert, part, r.id.as_bytes().as_slice(), &r.reply, r.at)?;
        }
        Put::Attempt(r) => {
            let mut upsert = conn.prepare_cached(
                "INSERT INTO attempt (part, id, job, root, job_type, fence, leg, leg_name, holder, state, offered_at, started_at,
                 ended_at, outcome, message, warnings, details, happened)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)
                 ON CONFLICT (part, id) DO UPDATE SET job = excluded.job, root = excluded.root, job_type = excluded.job_type,
                 fence = excluded.fence, leg = excluded.leg, leg_name = excluded.leg_name, holder = excluded.holder,
                 state = excluded.state, offered_at = excluded.offered_at, started_at = excluded.started_at,
                 ended_at = excluded.ended_at, outcome = excluded.outcome, message = excluded.message,
                 warnings = excluded.warnings, details = excluded.details, happened = excluded.happened",
            )?;
            run!(
                upsert,
                part,
                r.id.as_bytes().as_slice(),
                r.job.as_i64(),
                r.root.as_i64(),
                r.job_type.as_str(),
                r.fence.cast_signed(),
                r.leg.code(),
                r.leg_name.as_str(),
                r.holder.as_str(),
                r.state.code(),
                r.offered_at,
                r.started_at,
                r.ended_at,
                r.outcome.map(|outcome| outcome.code()),
                &r.message,
                &r.warnings,
                &r.details,
                r.happened.map(|happened| happened.code())
            )?;
        }
        Put::Evidence(r) => {
            let mut upsert = conn.prepare_cached(
                "INSERT INTO evidence (part, attempt, name, media_type, size, digest, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (part, attempt, name) DO UPDATE SET media_type = excluded.media_type, size = excluded.size,
                 digest = excluded.digest, at = excluded.at",
            )?;
            let (attempt, digest) = (r.attempt.as_bytes().as_slice(), r.digest.0.as_slice());
            run!(
                upsert,
                part,
                attempt,
                &r.name,
                r.media_type.as_str(),
                r.size.cast_signed(),
                digest,
                r.at
            )?;
        }
        Put::Route(r) => {
            let mut upsert = conn.prepare_cached(
                "INSERT INTO route (part, job_type, version, json, at, by) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (part, job_type, version) DO UPDATE SET json = excluded.json, at = excluded.at, by = excluded.by",
            )?;
            run!(
                upsert,
                part,
                r.job_type.as_str(),
                r.version,
                &r.json,
                r.at,
                &r.by
            )?;
        }
        Put::Agent(r) => {
            let mut upsert = conn.prepare_cached(
                "INSERT INTO agent (part, id, serial, fingerprint, labels, enrolled_at, revoked_at, capabilities, seen_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                 ON CONFLICT (part, id) DO UPDATE SET serial = excluded.serial, fingerprint = excluded.fingerprint,
                 labels = excluded.labels, enrolled_at = excluded.enrolled_at, revoked_at = excluded.revoked_at,
                 capabilities = excluded.capabilities, seen_at = excluded.seen_at",
            )?;
            let (id, fingerprint) = (r.id.as_str(), r.fingerprint.0.as_slice());
            run!(
                upsert,
                part,
                id,
                &r.serial,
                fingerprint,
                &r.labels,
                r.enrolled_at,
                r.revoked_at,
                &r.capabilities,
                r.seen_at
            )?;
        }
        Put::EnrolmentToken(r) => {
            let mut upsert = conn.prepare_cached(
                "INSERT INTO enrolment_token (part, digest, expires_at, uses_left, scope) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (part, digest) DO UPDATE SET expires_at = excluded.expires_at, uses_left = excluded.uses_left,
                 scope = excluded.scope",
            )?;
            run!(
                upsert,
                part,
                r.digest.0.as_slice(),
                r.expires_at,
                r.uses_left,
                &r.scope
            )?;
        }
        Put::Package(r) => {
            let mut upsert = conn.prepare_cached(
                "INSERT INTO package (part, digest, name, version, bytes, pushed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (part, digest) DO UPDATE SET name = excluded.name, version = excluded.version,
                 bytes = excluded.bytes, pushed_at = excluded.pushed_at",
            )?;
            run!(
                upsert,
                part,
                r.digest.0.as_slice(),
                r.name.as_str(),
                r.version.as_str(),
                &r.bytes,
                r.pushed_at
            )?;
        }
        Put::Audit(r) => {
            let mut upsert = conn.prepare_cached(
                "INSERT INTO audit (part, key, at, who, what, subject, details) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (part, key) DO UPDATE SET at = excluded.at, who = excluded.who, what = excluded.what,
                 subject = excluded.subject, details = excluded.details",
            )?;
            run!(
                upsert,
                part,
                r.key.as_i64(),
                r.at,
                &r.who,
                r.what.as_str(),
                &r.subject,
                &r.details
            )?;
        }
    }
    Ok(())
}

pub(super) fn delete(conn: &Connection, part: i64, row: &Delete) -> Result<(), Abort> {
    match row {
        Delete::Message(key) => {
            for sql in [
                "DELETE FROM message WHERE part = ?1 AND key = ?2",
                "DELETE FROM message_correlated WHERE part = ?1 AND message = ?2",
            ] {
                let mut statement = conn.prepare_cached(sql)?;
                run!(statement, part, key.as_i64())?;
            }
        }
        Delete::Deduplication(id) => {
            let mut gone =
                conn.prepare_cached("DELETE FROM deduplication WHERE part = ?1 AND id = ?2")?;
            run!(gone, part, id.as_bytes().as_slice())?;
        }
        Delete::EnrolmentToken(digest) => {
            let mut gone =
                conn.prepare_cached("DELETE FROM enrolment_token WHERE part = ?1 AND digest = ?2")?;
            run!(gone, part, digest.0.as_slice())?;
        }
        Delete::Package(digest) => {
            let mut gone =
                conn.prepare_cached("DELETE FROM package WHERE part = ?1 AND digest = ?2")?;
            run!(gone, part, digest.0.as_slice())?;
        }
    }
    Ok(())
}

fn json(variables: &Variables) -> String {
    variables.to_json()
}
