//! Route: who may do the jobs of a type.

use super::Done;
use super::client::Client;
use super::output::{Output, cell, items};
use reqwest::Method;
use serde_json::{Value, json};

/// What is done with routes.
#[derive(Debug, clap::Subcommand)]
pub enum Route {
    /// Sets the route of a job type; the jobs that nobody has yet take it at once.
    Set {
        /// The job type.
        job_type: String,
        /// Who does it: bot:NAME@VERSION, action:NAME, connector:NAME, worker or person.
        leg: String,
        /// The share of the jobs that it gets, in percent; what is left goes to the --else legs.
        #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
        weight: Option<u8>,
        /// FEEL over the job's variables: it gets only jobs for which this holds.
        #[arg(long, value_name = "FEEL")]
        when: Option<String>,
        /// Who takes the rest, and steps in where the leg before certainly did nothing; may be given several times.
        #[arg(long = "else", value_name = "LEG")]
        otherwise: Vec<String>,
        /// Jobs of instances with the same business id take the same leg.
        #[arg(long)]
        sticky: bool,
    },
    /// Shows all routes, or that of a job type.
    Show {
        /// The job type.
        job_type: Option<String>,
    },
    /// Takes the route of a job type away: its jobs wait for whoever asks for the type.
    Delete {
        /// The job type.
        job_type: String,
    },
}

const PATH: [&str; 3] = ["botswain", "v1", "routes"];

pub(super) async fn route(client: &Client, out: &mut Output, route: Route) -> Done {
    match route {
        Route::Set {
            job_type,
            leg,
            weight,
            when,
            otherwise,
            sticky,
        } => {
            let mut choice = json!({ "kind": leg });
            if let Some(weight) = weight {
                choice["weight"] = json!(weight);
            }
            if let Some(when) = when {
                choice["when"] = json!(when.strip_prefix('=').unwrap_or(&when).trim());
            }
            let body = json!({ "choices": [choice], "otherwise": otherwise, "sticky": sticky });
            let request = client.request(Method::PUT, &of(&job_type)).json(&body);
            let answer = client.send(request).await?;
            out.answer(&answer, |out| table(out, std::slice::from_ref(&answer)))
        }
        Route::Show {
            job_type: Some(job_type),
        } => {
            let answer = client.get(&of(&job_type)).await?;
            out.answer(&answer, |out| table(out, std::slice::from_ref(&answer)))
        }
        Route::Show { job_type: None } => {
            let answer = client.get(&PATH).await?;
            out.answer(&answer, |out| table(out, items(&answer)))
        }
        Route::Delete { job_type } => {
            client
                .send(client.request(Method::DELETE, &of(&job_type)))
                .await?;
            out.answer(&json!({ "jobType": job_type, "deleted": true }), |out| {
                out.line(&format!(
                    "{job_type} has no route: its jobs wait for whoever asks for the type"
                ));
            })
        }
    }
}

fn of(job_type: &str) -> [&str; 4] {
    let [botswain, v1, routes] = PATH;
    [botswain, v1, routes, job_type]
}

fn table(out: &mut Output, routes: &[Value]) {
    let mut rows = Vec::new();
    for route in routes {
        let legs = |name: &str| route[name].as_array().cloned().unwrap_or_default();
        for (at, leg) in legs("choices").into_iter().enumerate() {
            let (job_type, version) = if at == 0 {
                let version = if route["implicit"] == true {
                    "(implicit)".to_owned()
                } else {
                    cell(route, "version")
                };
                (cell(route, "jobType"), version)
            } else {
                (String::new(), String::new())
            };
            rows.push(vec![
                job_type,
                version,
                cell(&leg, "kind"),
                format!("{}%", cell(&leg, "weight")),
                cell(&leg, "when"),
            ]);
        }
        for leg in legs("otherwise") {
            rows.push(vec![
                String::new(),
                String::new(),
                format!("else {}", cell(&leg, "kind")),
                String::new(),
                cell(&leg, "when"),
            ]);
        }
    }
    out.table(&["job type", "version", "leg", "share", "when"], rows);
}
