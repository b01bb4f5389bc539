//! Decode: stored columns back to rows.

use crate::rows::{
    AgentRow, AttemptOutcome, AttemptRow, AttemptState, AuditRow, DeduplicationRow, DefinitionRow,
    Digest, ElementRow, ElementState, EnrolmentTokenRow, EvidenceRow, Happened, Held, IncidentRow,
    IncidentState, InstanceRow, InstanceState, JobRow, LegKind, MessageRow, PackageRow, RouteRow,
    SubscriptionRow, TimerRow, UserTaskRow, UserTaskState, VariableRow, job_state_from_code,
};
use botswain_engine::event::UserTaskDetails;
use botswain_engine::{IncidentKind, Json, Key, Symbol, Symbols, Variables};
use rusqlite::types::{FromSql, Type};
use rusqlite::{Result, Row};
use smol_str::SmolStr;
use uuid::Uuid;

/// A row that a query can give back; `COLUMNS` are what it reads, in their order.
pub(crate) trait Decode: Sized {
    /// The table.
    const TABLE: &'static str;
    /// The columns.
    const COLUMNS: &'static str;

    /// Reads the columns.
    fn decode(row: &Row<'_>) -> Result<Self>;
}

/// Reads the columns of a row one after the other.
pub(crate) struct Columns<'a, 'r> {
    row: &'a Row<'r>,
    at: usize,
}

impl<'a, 'r> Columns<'a, 'r> {
    pub(crate) const fn new(row: &'a Row<'r>) -> Columns<'a, 'r> {
        Columns { row, at: 0 }
    }

    pub(crate) fn next<T: FromSql>(&mut self) -> Result<T> {
        let value = self.row.get(self.at)?;
        self.at += 1;
        Ok(value)
    }

    pub(crate) fn key(&mut self) -> Result<Key> {
        Ok(Key::from_u64(self.next::<i64>()?.cast_unsigned()))
    }

    pub(crate) fn key_or_none(&mut self) -> Result<Option<Key>> {
        Ok(self
            .next::<Option<i64>>()?
            .map(|key| Key::from_u64(key.cast_unsigned())))
    }

    pub(crate) fn text(&mut self) -> Result<SmolStr> {
        let text = self.row.get_ref(self.at)?.as_str().map(SmolStr::from);
        self.at += 1;
        text.map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(self.at - 1, Type::Text, Box::new(error))
        })
    }

    fn text_or_none(&mut self) -> Result<Option<SmolStr>> {
        Ok(self.next::<Option<String>>()?.map(SmolStr::from))
    }

    fn symbol(&mut self) -> Result<Symbol> {
        self.next().map(Symbol)
    }

    pub(crate) fn code<T>(&mut self, decode: impl FnOnce(i64) -> Option<T>) -> Result<T> {
        let code = self.next()?;
        decode(code).ok_or(rusqlite::Error::IntegralValueOutOfRange(self.at - 1, code))
    }

    fn code_or_none<T>(&mut self, decode: impl FnOnce(i64) -> Option<T>) -> Result<Option<T>> {
        match self.next::<Option<i64>>()? {
            None => Ok(None),
            Some(code) => decode(code)
                .map(Some)
                .ok_or(rusqlite::Error::IntegralValueOutOfRange(self.at - 1, code)),
        }
    }

    fn uuid(&mut self) -> Result<Uuid> {
        Ok(Uuid::from_bytes(self.next()?))
    }

    fn digest(&mut self) -> Result<Digest> {
        self.next().map(Digest)
    }

    fn list(&mut self) -> Result<Vec<SmolStr>> {
        let Some(text) = self.next::<Option<String>>()? else {
            return Ok(Vec::new());
        };
        serde_json::from_str(&text).map_err(|error| self.unreadable(Type::Text, error))
    }

    fn unreadable(
        &self,
        kind: Type,
        error: impl std::error::Error + Send + Sync + 'static,
    ) -> rusqlite::Error {
        rusqlite::Error::FromSqlConversionFailure(self.at - 1, kind, Box::new(error))
    }
}

/// Finds an incident's kind by its name.
pub(crate) fn incident_kind(name: &str) -> Option<IncidentKind> {
    INCIDENT_KINDS.into_iter().find(|kind| kind.name() == name)
}

/// Every kind of incident.
const INCIDENT_KINDS: [IncidentKind; 10] = [
    IncidentKind::JobNoRetries,
    IncidentKind::ConditionError,
    IncidentKind::ExtractValueError,
    IncidentKind::IoMappingError,
    IncidentKind::UnhandledErrorEvent,
    IncidentKind::ResourceNotFound,
    IncidentKind::AttemptUnknown,
    IncidentKind::JoinUnreachable,
    IncidentKind::Spinning,
    IncidentKind::LimitExceeded,
];

impl Decode for InstanceRow {
    const TABLE: &'static str = "instance";
    const COLUMNS: &'static str =
        "key, definition, state, started_at, ended_at, business_id, tags, incidents, stop_reason";

    fn decode(row: &Row<'_>) -> Result<Self> {
        let mut c = Columns::new(row);
        Ok(InstanceRow {
            key: c.key()?,
            definition: c.key()?,
            state: c.code(InstanceState::from_code)?,
            started_at: c.next()?,
            ended_at: c.next()?,
            business_id: c.text_or_none()?,
            tags: c.list()?,
            incidents: c.next()?,
            stop_reason: c.next()?,
        })
    }
}

impl Decode for JobRow {
    const TABLE: &'static str = "job";
    const COLUMNS: &'static str = "key, root, segment, token, definition, node, job_type, retries, retry_at, state, created_at, \
                                   fence, leg, leg_name, holder, attempt, lease_until";

    fn decode(row: &Row<'_>) -> Result<Self> {
        let mut c = Columns::new(row);
        Ok(JobRow {
            key: c.key()?,
            root: c.key()?,
            segment: c.next()?,
            token: c.key()?,
            definition: c.key()?,
            node: c.symbol()?,
            job_type: c.text()?,
            retries: c.next()?,
            retry_at: c.next()?,
            state: c.code(job_state_from_code)?,
            created_at: c.next()?,
            fence: c.next::<i64>()?.cast_unsigned(),
            held: match c.code_or_none(LegKind::from_code)? {
                None => None,
                Some(leg) => Some(Held {
                    leg,
                    leg_name: c.text()?,
                    holder: c.text()?,
                    attempt: c.uuid()?,
                    lease_until: c.next()?,
                }),
            },
        })
    }
}

impl Decode for ElementRow {
    const TABLE: &'static str = "element";
    const COLUMNS: &'static str =
        "key, root, segment, scope, definition, node, entered_at, left_at, state, incident, job";

    fn decode(row: &Row<'_>) -> Result<Self> {
        let mut c = Columns::new(row);
        Ok(ElementRow {
            key: c.key()?,
            root: c.key()?,
            segment: c.next()?,
            scope: c.key()?,
            definition: c.key()?,
            node: c.symbol()?,
            entered_at: c.next()?,
            left_at: c.next()?,
            state: c.code(ElementState::from_code)?,
            incident: c.key_or_none()?,
            job: c.key_or_none()?,
        })
    }
}

impl Decode for TimerRow {
    const TABLE: &'static str = "timer";
    const COLUMNS: &'static str = "key, root, segment, token, definition, node, due";

    fn decode(row: &Row<'_>) -> Result<Self> {
        let mut c = Columns::new(row);
        Ok(TimerRow {
            key: c.key()?,
            root: c.key()?,
            segment: c.next()?,
            token: c.key()?,
            definition: c.key()?,
            on: c.symbol()?,
            due: c.next()?,
        })
    }
}

impl Decode for SubscriptionRow {
    const TABLE: &'static str = "subscription";
    const COLUMNS: &'static str =
        "key, root, segment, token, definition, node, name, correlation_key, once, created_at";

    fn decode(row: &Row<'_>) -> Result<Self> {
        let mut c = Columns::new(row);
        Ok(SubscriptionRow {
            key: c.key()?,
            root: c.key()?,
            segment: c.next()?,
            token: c.key()?,
            definition: c.key()?,
            on: c.symbol()?,
            name: c.text()?,
            correlation_key: c.text()?,
            once: c.next()?,
            created_at: c.next()?,
        })
    }
}

impl Decode for IncidentRow {
    const TABLE: &'static str = "incident";
    const COLUMNS: &'static str = "key, root, segment, token, definition, node, kind, message, job, raised_at, state, resolved_at";

    fn decode(row: &Row<'_>) -> Result<Self> {
        let mut c = Columns::new(row);
        Ok(IncidentRow {
            key: c.key()?,
            root: c.key()?,
            segment: c.next()?,
            token: c.key()?,
            definition: c.key()?,
            node: c.symbol()?,
            kind: {
                let name = c.text()?;
                incident_kind(&name).ok_or_else(|| c.unreadable(Type::Text, UnknownKind(name)))?
            },
            message: c.next()?,
            job: c.key_or_none()?,
            raised_at: c.next()?,
            state: c.code(IncidentState::from_code)?,
            resolved_at: c.next()?,
        })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("'{0}' is no kind of incident")]
struct UnknownKind(SmolStr);

impl Decode for UserTaskRow {
    const TABLE: &'static str = "user_task";
    const COLUMNS: &'static str = "key, root, segment, token, definition, node, state, assignee, candidate_groups, \
                                   candidate_users, due_date, follow_up_date, form, priority, created_at, ended_at";

    fn decode(row: &Row<'_>) -> Result<Self> {
        let mut c = Columns::new(row);
        Ok(UserTaskRow {
            key: c.key()?,
            root: c.key()?,
            segment: c.next()?,
            token: c.key()?,
            definition: c.key()?,
            node: c.symbol()?,
            state: c.code(UserTaskState::from_code)?,
            details: UserTaskDetails {
                assignee: c.text_or_none()?,
                candidate_groups: c.list()?,
                candidate_users: c.list()?,
                due_date: c.text_or_none()?,
                follow_up_date: c.text_or_none()?,
                form: c.text_or_none()?,
                priority: c.next()?,
            },
            created_at: c.next()?,
            ended_at: c.next()?,
        })
    }
}

impl Decode for VariableRow {
    const TABLE: &'static str = "variable LEFT JOIN blob ON blob.part = variable.part AND blob.root = variable.root AND blob.digest = variable.digest";
    const COLUMNS: &'static str = "variable.root, scope, name, coalesce(value, data)";

    fn decode(row: &Row<'_>) -> Result<Self> {
        let mut c = Columns::new(row);
        Ok(VariableRow {
            root: c.key()?,
            scope: c.key()?,
            name: c.text()?,
            value: Json::from_trusted(c.next::<String>()?),
        })
    }
}

impl Decode for DefinitionRow {
    const TABLE: &'static str = "definition";
    const COLUMNS: &'static str = "key, process_id, version, version_tag, name, resource_name, digest, xml, symbols, deployed_at";

    fn decode(row: &Row<'_>) -> Result<Self> {
        let mut c = Columns::new(row);
        Ok(DefinitionRow {
            key: c.key()?,
            process_id: c.text()?,
            version: c.next()?,
            version_tag: c.text_or_none()?,
            name: c.next()?,
            resource_name: c.next()?,
            digest: c.digest()?,
            xml: c.next()?,
            symbols: {
                let bytes: Vec<u8> = c.next()?;
                postcard::from_bytes::<Symbols>(&bytes)
                    .map_err(|error| c.unreadable(Type::Blob, error))?
            },
            deployed_at: c.next()?,
        })
    }
}

impl Decode for MessageRow {
    const TABLE: &'static str = "message";
    const COLUMNS: &'static str = "key, name, correlation_key, message_id, expires_at, variables";

    fn decode(row: &Row<'_>) -> Result<Self> {
        let mut c = Columns::new(row);
        Ok(MessageRow {
            key: c.key()?,
            name: c.text()?,
            correlation_key: c.text()?,
            message_id: c.text_or_none()?,
            expires_at: c.next()?,
            variables: {
                let text: String = c.next()?;
                Variables::from_json(&text).map_err(|error| c.unreadable(Type::Text, error))?
            },
        })
    }
}

impl Decode for DeduplicationRow {
    const TABLE: &'static str = "deduplication";
    const COLUMNS: &'static str = "id, reply, at";

    fn decode(row: &Row<'_>) -> Result<Self> {
        let mut c = Columns::new(row);
        Ok(DeduplicationRow {
            id: c.uuid()?,
            reply: c.next()?,
            at: c.next()?,
        })
    }
}

impl Decode for AttemptRow {
    const TABLE: &'static str = "attempt";
    const COLUMNS: &'static str = "id, job, root, job_type, fence, leg, leg_name, holder, state, offered_at, started_at, \
                                   ended_at, outcome, message, warnings, details, happened";

    fn decode(row: &Row<'_>) -> Result<Self> {
        let mut c = Columns::new(row);
        Ok(AttemptRow {
            id: c.uuid()?,
            job: c.key()?,
            root: c.key()?,
            job_type: c.text()?,
            fence: c.next::<i64>()?.cast_unsigned(),
            leg: c.code(LegKind::from_code)?,
            leg_name: c.text()?,
            holder: c.text()?,
            state: c.code(AttemptState::from_code)?,
            offered_at: c.next()?,
            started_at: c.next()?,
            ended_at: c.next()?,
            outcome: c.code_or_none(AttemptOutcome::from_code)?,
            message: c.next()?,
            warnings: c.next()?,
            details: c.next()?,
            happened: c.code_or_none(Happened::from_code)?,
        })
    }
}

impl Decode for EvidenceRow {
    const TABLE: &'static str = "evidence";
    const COLUMNS: &'static str = "attempt, name, media_type, size, digest, at";

    fn decode(row: &Row<'_>) -> Result<Self> {
        let mut c = Columns::new(row);
        Ok(EvidenceRow {
            attempt: c.uuid()?,
            name: c.next()?,
            media_type: c.text()?,
            size: c.next::<i64>()?.cast_unsigned(),
            digest: c.digest()?,
            at: c.next()?,
        })
    }
}

impl Decode for RouteRow {
    const TABLE: &'static str = "route";
    const COLUMNS: &'static str = "job_type, version, json, at, by";

    fn decode(row: &Row<'_>) -> Result<Self> {
        let mut c = Columns::new(row);
        Ok(RouteRow {
            job_type: c.text()?,
            version: c.next()?,
            json: c.next()?,
            at: c.next()?,
            by: c.next()?,
        })
    }
}

impl Decode for AgentRow {
    const TABLE: &'static str = "agent";
    const COLUMNS: &'static str =
        "id, serial, fingerprint, labels, enrolled_at, revoked_at, capabilities, seen_at";

    fn decode(row: &Row<'_>) -> Result<Self> {
        let mut c = Columns::new(row);
        Ok(AgentRow {
            id: c.text()?,
            serial: c.next()?,
            fingerprint: c.digest()?,
            labels: c.next()?,
            enrolled_at: c.next()?,
            revoked_at: c.next()?,
            capabilities: c.next()?,
            seen_at: c.next()?,
        })
    }
}

impl Decode for EnrolmentTokenRow {
    const TABLE: &'static str = "enrolment_token";
    const COLUMNS: &'static str = "digest, expires_at, uses_left, scope";

    fn decode(row: &Row<'_>) -> Result<Self> {
        let mut c = Columns::new(row);
        Ok(EnrolmentTokenRow {
            digest: c.digest()?,
            expires_at: c.next()?,
            uses_left: c.next()?,
            scope: c.next()?,
        })
    }
}

impl Decode for PackageRow {
    const TABLE: &'static str = "package";
    const COLUMNS: &'static str = "digest, name, version, bytes, pushed_at";

    fn decode(row: &Row<'_>) -> Result<Self> {
        let mut c = Columns::new(row);
        Ok(PackageRow {
            digest: c.digest()?,
            name: c.text()?,
            version: c.text()?,
            bytes: c.next()?,
            pushed_at: c.next()?,
        })
    }
}

impl Decode for AuditRow {
    const TABLE: &'static str = "audit";
    const COLUMNS: &'static str = "key, at, who, what, subject, details";

    fn decode(row: &Row<'_>) -> Result<Self> {
        let mut c = Columns::new(row);
        Ok(AuditRow {
            key: c.key()?,
            at: c.next()?,
            who: c.next()?,
            what: c.text()?,
            subject: c.next()?,
            details: c.next()?,
        })
    }
}
