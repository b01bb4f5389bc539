//! User tasks: what people are asked to do.

use super::fields::{Payload, path_key};
use super::problem::Problem;
use super::search::{self, Kind, Known, time};
use super::{ApiState, TENANT};
use crate::runtime::Ask;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use botswain_store::StoreError;
use botswain_store::reader::{Op, Page, Search, UserTaskField, UserTaskItem, UserTasks};
use botswain_store::rows::UserTaskState;
use serde_json::{Value, json};

pub(crate) async fn complete(
    State(api): State<ApiState>,
    Path(key): Path<String>,
    body: Payload,
) -> Result<StatusCode, Problem> {
    let (task, body) = (path_key(&key)?, body.fields()?);
    let ask = Ask::CompleteUserTask {
        task,
        variables: body.variables("variables")?,
    };
    api.order("COMPLETE", ask).await
}

pub(crate) async fn assign(
    State(api): State<ApiState>,
    Path(key): Path<String>,
    body: Payload,
) -> Result<StatusCode, Problem> {
    let (task, body) = (path_key(&key)?, body.fields()?);
    let ask = Ask::AssignUserTask {
        task,
        assignee: Some(body.needed_text("assignee")?),
        allow_override: body.flag("allowOverride")?.unwrap_or(true),
    };
    api.order("ASSIGN", ask).await
}

pub(crate) async fn unassign(
    State(api): State<ApiState>,
    Path(key): Path<String>,
) -> Result<StatusCode, Problem> {
    let ask = Ask::AssignUserTask {
        task: path_key(&key)?,
        assignee: None,
        allow_override: true,
    };
    api.order("UNASSIGN", ask).await
}

pub(crate) async fn get(
    State(api): State<ApiState>,
    Path(key): Path<String>,
) -> Result<Json<Value>, Problem> {
    let task = path_key(&key)?;
    let search = Search::<UserTasks>::default().filter(UserTaskField::Key, Op::Eq(task.into()));
    let mut found = found(&api, search).await?;
    let shown = found.items.pop();
    shown
        .map(Json)
        .ok_or_else(|| Problem::not_found(format!("User Task with key '{task}' not found")))
}

static FIELDS: &[Known<UserTaskField>] = &[
    Known {
        name: "userTaskKey",
        field: UserTaskField::Key,
        kind: Kind::Key,
    },
    Known {
        name: "state",
        field: UserTaskField::State,
        kind: Kind::Word(state_code),
    },
    Known {
        name: "assignee",
        field: UserTaskField::Assignee,
        kind: Kind::Text,
    },
    Known {
        name: "candidateGroup",
        field: UserTaskField::CandidateGroups,
        kind: Kind::Member,
    },
    Known {
        name: "candidateUser",
        field: UserTaskField::CandidateUsers,
        kind: Kind::Member,
    },
    Known {
        name: "priority",
        field: UserTaskField::Priority,
        kind: Kind::Integer,
    },
    Known {
        name: "elementId",
        field: UserTaskField::ElementId,
        kind: Kind::Text,
    },
    Known {
        name: "elementInstanceKey",
        field: UserTaskField::Element,
        kind: Kind::Key,
    },
    Known {
        name: "processDefinitionId",
        field: UserTaskField::ProcessId,
        kind: Kind::Text,
    },
    Known {
        name: "processDefinitionKey",
        field: UserTaskField::Definition,
        kind: Kind::Key,
    },
    Known {
        name: "processInstanceKey",
        field: UserTaskField::Instance,
        kind: Kind::Key,
    },
    Known {
        name: "creationDate",
        field: UserTaskField::CreatedAt,
        kind: Kind::Time,
    },
    Known {
        name: "completionDate",
        field: UserTaskField::EndedAt,
        kind: Kind::Time,
    },
    Known {
        name: "dueDate",
        field: UserTaskField::DueDate,
        kind: Kind::Text,
    },
    Known {
        name: "followUpDate",
        field: UserTaskField::FollowUpDate,
        kind: Kind::Text,
    },
];

fn state_code(word: &str) -> Option<i64> {
    UserTaskState::from_name(word).map(UserTaskState::code)
}

pub(crate) async fn search(
    State(api): State<ApiState>,
    body: Payload,
) -> Result<Json<Value>, Problem> {
    let search = search::read::<UserTasks>(&body.fields()?, FIELDS)?;
    Ok(Json(search::page(found(&api, search).await?, |shown| {
        shown
    })))
}

async fn found(api: &ApiState, search: Search<UserTasks>) -> Result<Page<Value>, Problem> {
    api.read(move |api| {
        let page = api.reader.search(&search)?;
        let items = page
            .items
            .into_iter()
            .map(|item| shown(api, item))
            .collect::<Result<_, _>>()?;
        Ok(Page {
            items,
            total: page.total,
            total_is_capped: page.total_is_capped,
            start: page.start,
            end: page.end,
        })
    })
    .await
}

fn shown(api: &ApiState, item: UserTaskItem) -> Result<Value, StoreError> {
    let UserTaskItem {
        row,
        element_id,
        process_id,
    } = item;
    let model = api.models.of(&api.reader, row.definition)?;
    let ended = (row.state == UserTaskState::Completed)
        .then_some(row.ended_at)
        .flatten();
    Ok(json!({
        "userTaskKey": row.key.to_string(),
        "name": model.get(row.node).and_then(|element| element.name.as_deref()),
        "state": row.state.name(),
        "assignee": row.details.assignee,
        "elementId": element_id,
        "elementInstanceKey": row.token.to_string(),
        "candidateGroups": row.details.candidate_groups,
        "candidateUsers": row.details.candidate_users,
        "processDefinitionId": process_id,
        "processDefinitionKey": row.definition.to_string(),
        "processDefinitionVersion": model.version,
        "processName": model.process_name,
        "processInstanceKey": row.root.to_string(),
        "rootProcessInstanceKey": row.root.to_string(),
        "formKey": null,
        "externalFormReference": row.details.form,
        "creationDate": time(row.created_at),
        "completionDate": ended.map(time),
        "dueDate": row.details.due_date,
        "followUpDate": row.details.follow_up_date,
        "priority": row.details.priority,
        "customHeaders": {},
        "tags": [],
        "tenantId": TENANT,
    }))
}
