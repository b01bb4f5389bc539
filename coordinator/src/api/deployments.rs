//! Deployments: new versions of processes, as files of a form.

use super::fields::{tenant_is_default, unreadable};
use super::problem::Problem;
use super::{ApiState, TENANT};
use crate::runtime::{Answer, Ask, Deployed, Deployment, Resource};
use axum::Json;
use axum::extract::State;
use axum::extract::multipart::{Multipart, MultipartError, MultipartRejection};
use serde_json::{Value, json};

/// The most files of one deployment.
const FILES_MAX: usize = 100;

pub(crate) async fn deploy(
    State(api): State<ApiState>,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Json<Value>, Problem> {
    let form = form.map_err(|rejection| {
        Problem::wrong(format!(
            "{}: send the files as multipart/form-data, each in a part named resources",
            rejection.body_text()
        ))
    })?;
    let resources = read(form).await?;
    let deployment = api
        .read(move |_| {
            Deployment::compile(resources).map_err(|refusal| Problem::refused("CREATE", refusal))
        })
        .await?;
    let ask = Ask::Deploy {
        deployment: Box::new(deployment),
        by: api.who(),
    };
    let Answer::Deployed(deployed) = api.ask("CREATE", ask).await? else {
        return Err(Problem::unexpected("CREATE"));
    };
    Ok(Json(json!({
        "deploymentKey": deployed.first().map(|first| first.key.to_string()),
        "tenantId": TENANT,
        "deployments": deployed.iter().map(shown).collect::<Vec<_>>(),
    })))
}

async fn read(mut form: Multipart) -> Result<Vec<Resource>, Problem> {
    let broken = |error: MultipartError| unreadable(error.status(), &error.body_text());
    let mut resources = Vec::new();
    while let Some(part) = form.next_field().await.map_err(broken)? {
        let name = part.name().unwrap_or_default().to_owned();
        let file = part.file_name().map(str::to_owned);
        if file.is_none() && name == "tenantId" {
            tenant_is_default(Some(&part.text().await.map_err(broken)?))?;
            continue;
        }
        if resources.len() == FILES_MAX {
            return Err(Problem::wrong(format!(
                "the deployment has more than {FILES_MAX} files: send several deployments"
            )));
        }
        let name = file.filter(|file| !file.is_empty()).unwrap_or(name);
        if name.is_empty() || name.len() > 255 {
            return Err(Problem::wrong(format!(
                "file {} of the deployment: expected a file name of 1 to 255 bytes, found {} bytes",
                resources.len() + 1,
                name.len()
            )));
        }
        let bytes = part.bytes().await.map_err(broken)?.to_vec();
        resources.push(Resource { name, bytes });
    }
    Ok(resources)
}

fn shown(deployed: &Deployed) -> Value {
    json!({
        "processDefinition": {
            "processDefinitionId": deployed.process_id,
            "processDefinitionVersion": deployed.version,
            "resourceName": deployed.resource_name,
            "tenantId": TENANT,
            "processDefinitionKey": deployed.key.to_string(),
        },
        "decisionDefinition": null,
        "decisionRequirements": null,
        "form": null,
        "resource": null,
    })
}
