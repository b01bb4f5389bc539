//! Entities: what can be searched, and by which fields.

use super::search::Entity;
use crate::rows::{
    AgentRow, AttemptRow, AuditRow, ElementRow, IncidentRow, InstanceRow, JobRow, RouteRow,
    UserTaskRow,
};
use crate::sqlite::decode::{Columns, Decode};
use botswain_engine::{Json, Key, Millis};
use rusqlite::Row;
use smol_str::SmolStr;

/// The BPMN id of a row's element, through the symbol table of its version. Versions belong to partition 1.
macro_rules! element_id {
    ($table:literal) => {
        concat!(
            "(SELECT s.id FROM symbol AS s WHERE s.part = 1 AND s.definition = ",
            $table,
            ".definition AND s.node = ",
            $table,
            ".node)"
        )
    };
}

/// A column of a row's version.
macro_rules! of_definition {
    ($table:literal, $column:literal) => {
        concat!(
            "(SELECT d.",
            $column,
            " FROM definition AS d WHERE d.part = 1 AND d.key = ",
            $table,
            ".definition)"
        )
    };
}

/// Whether a version is the newest one of its process.
macro_rules! is_latest {
    () => {
        "(definition.version = (SELECT max(n.version) FROM definition AS n WHERE n.part = definition.part AND \
         n.process_id = definition.process_id))"
    };
}

macro_rules! entity {
    ($(#[$doc:meta])* $name:ident, $item:ty, $from:literal, $width:literal, $columns:expr, $unique:expr, $read:expr,
     $(#[$field_doc:meta])* $field:ident { $($(#[$variant_doc:meta])* $variant:ident = $column:expr;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        $(#[$field_doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $field { $($(#[$variant_doc])* $variant,)+ }

        impl $field {
            /// All of them.
            pub const ALL: &'static [$field] = &[$($field::$variant,)+];
        }

        impl Entity for $name {
            type Field = $field;
            type Item = $item;
            const FROM: &'static str = $from;
            const COLUMNS: &'static str = $columns;
            const UNIQUE: &'static [&'static str] = $unique;
            const WIDTH: usize = $width;

            fn column(field: $field) -> &'static str {
                match field { $($field::$variant => $column,)+ }
            }

            fn read(row: &Row<'_>) -> rusqlite::Result<$item> {
                $read(row)
            }
        }
    };
}

/// An instance as a search finds it.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceItem {
    /// The header.
    pub row: InstanceRow,
    /// The BPMN id of its process.
    pub process_id: Option<SmolStr>,
    /// The name of its process.
    pub process_name: Option<String>,
    /// The number of its version.
    pub version: Option<u32>,
    /// The label of its version.
    pub version_tag: Option<String>,
}

entity! {
    /// Instances.
    Instances, InstanceItem, "instance", 13,
    concat!(
        "key, definition, state, started_at, ended_at, business_id, tags, incidents, stop_reason, ",
        of_definition!("instance", "process_id"), ", ", of_definition!("instance", "name"), ", ",
        of_definition!("instance", "version"), ", ", of_definition!("instance", "version_tag")
    ),
    &["key"],
    |row: &Row<'_>| Ok(InstanceItem {
        row: InstanceRow::decode(row)?,
        process_id: row.get::<_, Option<String>>(9)?.map(SmolStr::from),
        process_name: row.get(10)?,
        version: row.get(11)?,
        version_tag: row.get(12)?,
    }),
    /// What instances are searched by.
    InstanceField {
        /// The instance's key.
        Key = "key";
        /// The version's key; faster than the process's id.
        Definition = "definition";
        /// [`crate::rows::InstanceState`].
        State = "state";
        /// When it began.
        StartedAt = "started_at";
        /// When it ended.
        EndedAt = "ended_at";
        /// What its caller calls it.
        BusinessId = "business_id";
        /// Its labels, a JSON array.
        Tags = "tags";
        /// How many incidents are open.
        Incidents = "incidents";
        /// The BPMN id of the process.
        ProcessId = of_definition!("instance", "process_id");
        /// The name of the process.
        ProcessName = of_definition!("instance", "name");
        /// The number of the version.
        Version = of_definition!("instance", "version");
        /// The label of the version.
        VersionTag = of_definition!("instance", "version_tag");
    }
}

/// An element instance as a search finds it.
#[derive(Clone, Debug, PartialEq)]
pub struct ElementItem {
    /// The row.
    pub row: ElementRow,
    /// The element's BPMN id.
    pub element_id: Option<SmolStr>,
    /// The BPMN id of its process.
    pub process_id: Option<SmolStr>,
}

entity! {
    /// Element instances.
    Elements, ElementItem, "element", 13,
    concat!(
        "key, root, segment, scope, definition, node, entered_at, left_at, state, incident, job, ",
        element_id!("element"), ", ", of_definition!("element", "process_id")
    ),
    &["key"],
    |row: &Row<'_>| Ok(ElementItem {
        row: ElementRow::decode(row)?,
        element_id: row.get::<_, Option<String>>(11)?.map(SmolStr::from),
        process_id: row.get::<_, Option<String>>(12)?.map(SmolStr::from),
    }),
    /// What element instances are searched by.
    ElementField {
        /// The token.
        Key = "key";
        /// The instance.
        Instance = "root";
        /// The token of the scope around it.
        Scope = "scope";
        /// The version's key.
        Definition = "definition";
        /// The element's BPMN id.
        ElementId = element_id!("element");
        /// The BPMN id of the process.
        ProcessId = of_definition!("element", "process_id");
        /// When the token came.
        EnteredAt = "entered_at";
        /// When it left.
        LeftAt = "left_at";
        /// [`crate::rows::ElementState`].
        State = "state";
        /// The open incident.
        Incident = "incident";
    }
}

/// A job as a search finds it.
#[derive(Clone, Debug, PartialEq)]
pub struct JobItem {
    /// The row.
    pub row: JobRow,
    /// The element's BPMN id.
    pub element_id: Option<SmolStr>,
    /// The BPMN id of its process.
    pub process_id: Option<SmolStr>,
}

entity! {
    /// Jobs that are not done.
    Jobs, JobItem, "job", 19,
    concat!(
        "key, root, segment, token, definition, node, job_type, retries, retry_at, state, created_at, fence, leg, leg_name, ",
        "holder, attempt, lease_until, ", element_id!("job"), ", ", of_definition!("job", "process_id")
    ),
    &["key"],
    |row: &Row<'_>| Ok(JobItem {
        row: JobRow::decode(row)?,
        element_id: row.get::<_, Option<String>>(17)?.map(SmolStr::from),
        process_id: row.get::<_, Option<String>>(18)?.map(SmolStr::from),
    }),
    /// What jobs are searched by.
    JobField {
        /// The job.
        Key = "key";
        /// The instance; the jobs of its element instances name it faster.
        Instance = "root";
        /// The token that waits.
        Element = "token";
        /// The version's key.
        Definition = "definition";
        /// The element's BPMN id.
        ElementId = element_id!("job");
        /// The BPMN id of the process.
        ProcessId = of_definition!("job", "process_id");
        /// What kind of work it is.
        JobType = "job_type";
        /// How many failures it may still have.
        Retries = "retries";
        /// See [`crate::rows::job_state_code`].
        State = "state";
        /// When it was opened.
        CreatedAt = "created_at";
        /// [`crate::rows::LegKind`] of who does it.
        Leg = "leg";
        /// The agent or the worker.
        Holder = "holder";
        /// When it is given to somebody else.
        LeaseUntil = "lease_until";
    }
}

/// An incident as a search finds it.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentItem {
    /// The row.
    pub row: IncidentRow,
    /// The element's BPMN id.
    pub element_id: Option<SmolStr>,
    /// The BPMN id of its process.
    pub process_id: Option<SmolStr>,
}

entity! {
    /// Incidents.
    Incidents, IncidentItem, "incident", 14,
    concat!(
        "key, root, segment, token, definition, node, kind, message, job, raised_at, state, resolved_at, ",
        element_id!("incident"), ", ", of_definition!("incident", "process_id")
    ),
    &["key"],
    |row: &Row<'_>| Ok(IncidentItem {
        row: IncidentRow::decode(row)?,
        element_id: row.get::<_, Option<String>>(12)?.map(SmolStr::from),
        process_id: row.get::<_, Option<String>>(13)?.map(SmolStr::from),
    }),
    /// What incidents are searched by.
    IncidentField {
        /// The incident.
        Key = "key";
        /// The instance.
        Instance = "root";
        /// The token that is stuck.
        Element = "token";
        /// The version's key.
        Definition = "definition";
        /// The element's BPMN id.
        ElementId = element_id!("incident");
        /// The BPMN id of the process.
        ProcessId = of_definition!("incident", "process_id");
        /// The kind's name.
        Kind = "kind";
        /// What was expected, what was found, what to do.
        Message = "message";
        /// The job it is about.
        Job = "job";
        /// When it was raised.
        RaisedAt = "raised_at";
        /// [`crate::rows::IncidentState`].
        State = "state";
    }
}

/// A user task as a search finds it.
#[derive(Clone, Debug, PartialEq)]
pub struct UserTaskItem {
    /// The row.
    pub row: UserTaskRow,
    /// The element's BPMN id.
    pub element_id: Option<SmolStr>,
    /// The BPMN id of its process.
    pub process_id: Option<SmolStr>,
}

entity! {
    /// User tasks.
    UserTasks, UserTaskItem, "user_task", 18,
    concat!(
        "key, root, segment, token, definition, node, state, assignee, candidate_groups, candidate_users, due_date, ",
        "follow_up_date, form, priority, created_at, ended_at, ",
        element_id!("user_task"), ", ", of_definition!("user_task", "process_id")
    ),
    &["key"],
    |row: &Row<'_>| Ok(UserTaskItem {
        row: UserTaskRow::decode(row)?,
        element_id: row.get::<_, Option<String>>(16)?.map(SmolStr::from),
        process_id: row.get::<_, Option<String>>(17)?.map(SmolStr::from),
    }),
    /// What user tasks are searched by.
    UserTaskField {
        /// The task.
        Key = "key";
        /// The instance.
        Instance = "root";
        /// The token that waits.
        Element = "token";
        /// The version's key.
        Definition = "definition";
        /// The element's BPMN id.
        ElementId = element_id!("user_task");
        /// The BPMN id of the process.
        ProcessId = of_definition!("user_task", "process_id");
        /// [`crate::rows::UserTaskState`].
        State = "state";
        /// Who has it.
        Assignee = "assignee";
        /// The groups that may take it, a JSON array: match with `*"group"*`.
        CandidateGroups = "candidate_groups";
        /// The people who may take it, a JSON array.
        CandidateUsers = "candidate_users";
        /// When it should be done, ISO 8601.
        DueDate = "due_date";
        /// When somebody should look at it again, ISO 8601.
        FollowUpDate = "follow_up_date";
        /// 0 to 100.
        Priority = "priority";
        /// When it was opened.
        CreatedAt = "created_at";
        /// When it was done or cancelled.
        EndedAt = "ended_at";
    }
}

/// A variable as a search finds it.
#[derive(Clone, Debug, PartialEq)]
pub struct VariableItem {
    /// Its instance.
    pub root: Key,
    /// The token whose scope holds it.
    pub scope: Key,
    /// Its name.
    pub name: SmolStr,
    /// Its value, or the first part of a large one.
    pub value: Json,
    /// Whether the value was cut: [`super::Reader::variable`] has all of it.
    pub is_truncated: bool,
}

entity! {
    /// Variables.
    Variables, VariableItem, "variable", 5,
    "root, scope, name, coalesce(value, (SELECT substr(b.data, 1, 8192) FROM blob AS b WHERE b.root = variable.root AND
     b.digest = variable.digest)), digest IS NOT NULL",
    &["root", "scope", "name"],
    |row: &Row<'_>| {
        let mut c = Columns::new(row);
        Ok(VariableItem {
            root: c.key()?,
            scope: c.key()?,
            name: c.text()?,
            value: Json::from_trusted(c.next::<String>()?),
            is_truncated: c.next()?,
        })
    },
    /// What variables are searched by.
    VariableField {
        /// The instance.
        Instance = "root";
        /// The token whose scope holds it; fast together with the instance.
        Scope = "scope";
        /// Its name.
        Name = "name";
        /// Its value as JSON text; large ones are compared as if they were missing.
        Value = "value";
        /// How many bytes the value has.
        Size = "size";
    }
}

/// A version of a process as a search finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinitionItem {
    /// The version's key.
    pub key: Key,
    /// The BPMN id of the process.
    pub process_id: SmolStr,
    /// The number of the version.
    pub version: u32,
    /// The label of the version.
    pub version_tag: Option<String>,
    /// The name for people.
    pub name: Option<String>,
    /// The file it came in.
    pub resource_name: String,
    /// When it was deployed.
    pub deployed_at: Millis,
    /// Whether it is the newest version of its process.
    pub is_latest: bool,
}

entity! {
    /// Versions of processes.
    Definitions, DefinitionItem, "definition", 8,
    concat!("key, process_id, version, version_tag, name, resource_name, deployed_at, ", is_latest!()),
    &["key"],
    |row: &Row<'_>| {
        let mut c = Columns::new(row);
        Ok(DefinitionItem {
            key: c.key()?,
            process_id: c.text()?,
            version: c.next()?,
            version_tag: c.next()?,
            name: c.next()?,
            resource_name: c.next()?,
            deployed_at: c.next()?,
            is_latest: c.next()?,
        })
    },
    /// What versions of processes are searched by.
    DefinitionField {
        /// The version's key.
        Key = "key";
        /// The BPMN id of the process.
        ProcessId = "process_id";
        /// The number of the version.
        Version = "version";
        /// The label of the version.
        VersionTag = "version_tag";
        /// The name for people.
        Name = "name";
        /// The file it came in.
        ResourceName = "resource_name";
        /// When it was deployed.
        DeployedAt = "deployed_at";
        /// 1 for the newest version of each process.
        IsLatest = is_latest!();
    }
}

entity! {
    /// Attempts.
    Attempts, AttemptRow, "attempt", 17,
    "id, job, root, job_type, fence, leg, leg_name, holder, state, offered_at, started_at, ended_at, outcome, message, warnings,
     details, happened",
    &["part", "id"],
    AttemptRow::decode,
    /// What attempts are searched by.
    AttemptField {
        /// The attempt's id, 16 bytes.
        Id = "id";
        /// The job.
        Job = "job";
        /// The instance.
        Instance = "root";
        /// What kind of work it is.
        JobType = "job_type";
        /// The number of the attempt at the job.
        Fence = "fence";
        /// [`crate::rows::LegKind`].
        Leg = "leg";
        /// The leg's name.
        LegName = "leg_name";
        /// The agent or the worker.
        Holder = "holder";
        /// [`crate::rows::AttemptState`].
        State = "state";
        /// [`crate::rows::AttemptOutcome`].
        Outcome = "outcome";
        /// When it was offered.
        OfferedAt = "offered_at";
        /// When it ended.
        EndedAt = "ended_at";
    }
}

entity! {
    /// Agents.
    Agents, AgentRow, "agent", 8,
    "id, serial, fingerprint, labels, enrolled_at, revoked_at, capabilities, seen_at",
    &["id"],
    AgentRow::decode,
    /// What agents are searched by.
    AgentField {
        /// The agent's name.
        Id = "id";
        /// Its labels, a JSON object.
        Labels = "labels";
        /// When it was enrolled.
        EnrolledAt = "enrolled_at";
        /// When it lost its right.
        RevokedAt = "revoked_at";
        /// When it was last heard of.
        SeenAt = "seen_at";
    }
}

entity! {
    /// Routes with all their versions.
    Routes, RouteRow, "route", 5,
    "job_type, version, json, at, by",
    &["job_type", "version"],
    RouteRow::decode,
    /// What routes are searched by.
    RouteField {
        /// The job type.
        JobType = "job_type";
        /// The number of the version.
        Version = "version";
        /// When it was set.
        At = "at";
        /// Who set it.
        By = "by";
    }
}

entity! {
    /// The audit log.
    Audit, AuditRow, "audit", 6,
    "key, at, who, what, subject, details",
    &["key"],
    AuditRow::decode,
    /// What the audit log is searched by.
    AuditField {
        /// The entry.
        Key = "key";
        /// When.
        At = "at";
        /// Who.
        Who = "who";
        /// What.
        What = "what";
        /// To what.
        Subject = "subject";
    }
}
