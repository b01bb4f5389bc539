//! Repair: incidents, variables, user tasks, and jobs that are completed by hand.

use super::client::Client;
use super::output::{Output, cell, items, moment};
use super::{Done, variables};
use reqwest::Method;
use serde_json::json;

/// Lists incidents, or resolves one.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Incidents {
    #[command(subcommand)]
    order: Option<IncidentOrder>,
    /// Only those of that instance.
    #[arg(long, value_name = "KEY")]
    instance: Option<String>,
    /// The resolved ones too.
    #[arg(long)]
    all: bool,
}

#[derive(Debug, clap::Subcommand)]
enum IncidentOrder {
    /// Says that the cause is repaired: what failed is tried again.
    Resolve {
        /// The incident's key.
        incident: String,
        /// How often its job may be tried, where a job has no retries left.
        #[arg(long, value_name = "N", default_value_t = 1)]
        retries: u32,
    },
}

/// Lists user tasks, or completes one.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Tasks {
    #[command(subcommand)]
    order: Option<TaskOrder>,
    /// Only those of that person.
    #[arg(long, value_name = "NAME")]
    assignee: Option<String>,
    /// Only those of that instance.
    #[arg(long, value_name = "KEY")]
    instance: Option<String>,
    /// The closed ones too.
    #[arg(long)]
    all: bool,
}

#[derive(Debug, clap::Subcommand)]
enum TaskOrder {
    /// The work was done.
    Complete {
        /// The task's key.
        task: String,
        /// The result: JSON, @FILE, or - for standard input.
        #[arg(long, value_name = "JSON")]
        variables: Option<String>,
    },
    /// Somebody takes the task.
    Assign {
        /// The task's key.
        task: String,
        /// Who.
        name: String,
    },
}

/// Lists an instance's variables, or sets some of them.
#[derive(Debug, clap::Args)]
pub struct Variables {
    /// The instance's key.
    instance: String,
    /// Sets these: JSON, @FILE, or - for standard input.
    #[arg(long, value_name = "JSON")]
    set: Option<String>,
    /// The element instance whose scope takes them; the instance itself if none is named.
    #[arg(long, value_name = "KEY", requires = "set")]
    scope: Option<String>,
}

/// A job that is completed by hand.
#[derive(Debug, clap::Args)]
pub struct CompleteJob {
    /// The job's key.
    job: String,
    /// The result: JSON, @FILE, or - for standard input.
    #[arg(long, value_name = "JSON")]
    variables: Option<String>,
}

pub(super) async fn incidents(client: &Client, out: &mut Output, incidents: Incidents) -> Done {
    if let Some(IncidentOrder::Resolve { incident, retries }) = incidents.order {
        return resolve(client, out, &incident, retries).await;
    }
    let mut filter = json!({});
    if let Some(instance) = incidents.instance {
        filter["processInstanceKey"] = json!(instance);
    }
    if !incidents.all {
        filter["state"] = json!("ACTIVE");
    }
    let answer = client.search("incidents", filter).await?;
    out.answer(&answer, |out| {
        let rows = items(&answer).iter().map(|item| {
            vec![
                cell(item, "incidentKey"),
                cell(item, "kind"),
                cell(item, "state"),
                cell(item, "processInstanceKey"),
                cell(item, "elementId"),
                moment(item, "creationTime"),
                cell(item, "errorMessage"),
            ]
        });
        let headings = [
            "incident", "kind", "state", "instance", "element", "since", "message",
        ];
        out.table(&headings, rows.collect());
    })
}

async fn resolve(client: &Client, out: &mut Output, key: &str, retries: u32) -> Done {
    let incident = client.get(&["v2", "incidents", key]).await?;
    let job = cell(&incident, "jobKey");
    if incident["kind"] == "JOB_NO_RETRIES" && !job.is_empty() {
        let changes = json!({ "changeset": { "retries": retries } });
        client
            .send(
                client
                    .request(Method::PATCH, &["v2", "jobs", &job])
                    .json(&changes),
            )
            .await?;
    }
    client
        .post(&["v2", "incidents", key, "resolution"], &json!({}))
        .await?;
    let instance = cell(&incident, "processInstanceKey");
    out.answer(
        &json!({ "incidentKey": key, "processInstanceKey": instance, "resolved": true }),
        |out| {
            out.line(&format!(
                "incident {key} is resolved, what failed is tried again: botswain show {instance}"
            ));
        },
    )
}

pub(super) async fn list_variables(client: &Client, out: &mut Output, asked: Variables) -> Done {
    if asked.set.is_some() {
        let scope = asked.scope.as_deref().unwrap_or(&asked.instance);
        let body = json!({ "variables": variables(asked.set.as_deref())?, "local": asked.scope.is_some() });
        let path = ["v2", "element-instances", scope, "variables"];
        client
            .send(client.request(Method::PUT, &path).json(&body))
            .await?;
    }
    let answer = client
        .search("variables", json!({ "processInstanceKey": asked.instance }))
        .await?;
    out.answer(&answer, |out| {
        let rows = items(&answer).iter().map(|item| {
            vec![
                cell(item, "scopeKey"),
                cell(item, "name"),
                cell(item, "value"),
            ]
        });
        out.table(&["scope", "name", "value"], rows.collect());
    })
}

pub(super) async fn tasks(client: &Client, out: &mut Output, tasks: Tasks) -> Done {
    match tasks.order {
        Some(TaskOrder::Complete {
            task,
            variables: text,
        }) => {
            let body = json!({ "variables": variables(text.as_deref())? });
            client
                .post(&["v2", "user-tasks", &task, "completion"], &body)
                .await?;
            return out.answer(&json!({ "userTaskKey": task, "completed": true }), |out| {
                out.line(&format!("task {task} is completed"));
            });
        }
        Some(TaskOrder::Assign { task, name }) => {
            client
                .post(
                    &["v2", "user-tasks", &task, "assignment"],
                    &json!({ "assignee": name }),
                )
                .await?;
            return out.answer(&json!({ "userTaskKey": task, "assignee": name }), |out| {
                out.line(&format!("task {task} is with {name}"));
            });
        }
        None => {}
    }
    let mut filter = json!({});
    for (field, value) in [
        ("assignee", tasks.assignee),
        ("processInstanceKey", tasks.instance),
    ] {
        if let Some(value) = value {
            filter[field] = json!(value);
        }
    }
    if !tasks.all {
        filter["state"] = json!("CREATED");
    }
    let answer = client.search("user-tasks", filter).await?;
    out.answer(&answer, |out| {
        let rows = items(&answer).iter().map(|item| {
            let name = cell(item, "name");
            vec![
                cell(item, "userTaskKey"),
                if name.is_empty() {
                    cell(item, "elementId")
                } else {
                    name
                },
                cell(item, "state"),
                cell(item, "assignee"),
                cell(item, "candidateGroups"),
                cell(item, "priority"),
                moment(item, "creationDate"),
                cell(item, "processInstanceKey"),
            ]
        });
        let headings = [
            "task", "what", "state", "assignee", "groups", "priority", "since", "instance",
        ];
        out.table(&headings, rows.collect());
    })
}

pub(super) async fn complete_job(client: &Client, out: &mut Output, job: CompleteJob) -> Done {
    let body = json!({ "variables": variables(job.variables.as_deref())? });
    client
        .post(&["botswain", "v1", "jobs", &job.job, "completion"], &body)
        .await?;
    out.answer(&json!({ "jobKey": job.job, "completed": true }), |out| {
        out.line(&format!("job {} is completed", job.job));
    })
}
