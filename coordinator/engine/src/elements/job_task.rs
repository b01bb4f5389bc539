//! Job tasks: somebody else works, and the token waits for the job. Service, send, script and business rule tasks with a job
//! type, message throw events, and user tasks that a worker serves.

use super::{activity, user_task};
use crate::event::Event;
use crate::incident::{IncidentKind, Problem};
use crate::lookup::What;
use crate::process::{JobTask, Node};
use crate::step::{At, Cx};
use crate::variables::Json;

pub(super) fn enter(cx: &mut Cx<'_>, at: At, node: &Node, task: &JobTask) -> Result<(), Problem> {
    let prepared = activity::prepare(cx, at, node)?;
    let job_type = cx.text(
        at,
        &prepared.locals,
        What::of("the job type", node),
        &task.job_type,
    )?;
    if job_type.is_empty() {
        let message = format!(
            "the job type of '{}' is empty: nobody can ask for such a job",
            node.id
        );
        return Err(Problem::new(IncidentKind::ExtractValueError, message));
    }
    let retries = cx.integer(
        at,
        &prepared.locals,
        What::of("the number of retries", node),
        &task.retries,
    )?;
    let retries = i32::try_from(retries.max(0)).unwrap_or(i32::MAX);
    let headers = match &task.user_task {
        None => None,
        Some(user) => {
            let details = user_task::details(cx, at, &prepared.locals, node, user)?;
            Some(with_details(&task.headers, &details))
        }
    };
    activity::begin(cx, at, prepared);
    let job = cx.fresh_key();
    cx.emit(
        at.segment,
        Event::JobOpened {
            token: at.token,
            job,
            node: node.symbol,
            job_type,
            retries,
            headers,
        },
    );
    if retries == 0 {
        cx.emit(
            at.segment,
            Event::JobFailed {
                token: at.token,
                job,
                retries,
                retry_at: None,
                message: String::new(),
            },
        );
        let message = format!(
            "the model gives '{}' 0 retries: correct the model, or resolve the incident to try once",
            node.id
        );
        cx.raise(at, Problem::new(IncidentKind::JobNoRetries, message));
    }
    Ok(())
}

pub(super) fn cancel(cx: &mut Cx<'_>, at: At) {
    let event = cx.token(at).job().map(|job| Event::JobCancelled {
        token: at.token,
        job: job.key,
    });
    super::end_wait(cx, at, event);
}

/// The reserved headers under which a worker finds the details of a user task.
fn with_details(headers: &Json, details: &crate::event::UserTaskDetails) -> Json {
    let mut all: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(headers.as_str()).expect("compile wrote the headers as a JSON object");
    let list = |names: &[smol_str::SmolStr]| {
        (!names.is_empty()).then(|| serde_json::json!(names).to_string())
    };
    let text = |value: &Option<smol_str::SmolStr>| value.as_ref().map(ToString::to_string);
    let entries = [
        ("assignee", text(&details.assignee)),
        ("candidateGroups", list(&details.candidate_groups)),
        ("candidateUsers", list(&details.candidate_users)),
        ("dueDate", text(&details.due_date)),
        ("followUpDate", text(&details.follow_up_date)),
        ("formKey", text(&details.form)),
    ];
    for (name, value) in entries {
        if let Some(value) = value {
            all.insert(format!("io.camunda.zeebe:{name}"), value.into());
        }
    }
    Json::from_trusted(serde_json::Value::Object(all).to_string())
}

#[cfg(test)]
mod tests {
    use crate::check::Input::{Done, Failed, Resolve, Retries, Unknown};
    use crate::check::{check, check_with, done};
    use expect_test::expect;

    #[test]
    fn three_jobs_follow_each_other() {
        check(
            "start > a:job > b:job > c:job > end",
            [done("a")],
            expect![[r#"
        process: 1 inside
          b: job"#]],
        );
        check(
            "start > a:job > b:job > c:job > end",
            [done("a"), done("b"), Done("c", r#"{"x":1}"#)],
            expect![[r#"completed {"x":1}"#]],
        );
    }

    #[test]
    fn a_job_without_retries_is_an_incident_until_somebody_repairs_it() {
        let model = "start > a:job > end";
        check(
            model,
            [Failed("a", 2)],
            expect![[r#"
        process: 1 inside
          a: job"#]],
        );
        check(
            model,
            [Failed("a", 0)],
            expect![[r#"
        process: 1 inside
          a: JOB_NO_RETRIES job '2251799813685253' of element 'a' failed and has no retries left: the printer is out of paper; repair the cause, then resolve the incident to try it once more"#]],
        );
        check(
            model,
            [Failed("a", 0), done("a")],
            expect![[r#"
        refused: job '2251799813685253' is FAILED, expected ACTIVATABLE or ACTIVATED
        process: 1 inside
          a: JOB_NO_RETRIES job '2251799813685253' of element 'a' failed and has no retries left: the printer is out of paper; repair the cause, then resolve the incident to try it once more"#]],
        );
        check(
            model,
            [Failed("a", 0), Retries("a", 3), Resolve("a"), done("a")],
            expect!["completed {}"],
        );
        check(
            model,
            [Failed("a", 0), Retries("a", 0)],
            expect![[r#"
        refused: expected to update retries for job with key '2251799813685253' with a positive amount of retries, found 0
        process: 1 inside
          a: JOB_NO_RETRIES job '2251799813685253' of element 'a' failed and has no retries left: the printer is out of paper; repair the cause, then resolve the incident to try it once more"#]],
        );
    }

    #[test]
    fn an_unknown_outcome_is_settled_by_a_person_or_by_a_late_result() {
        let model = "start > pay:job > end";
        check(
            model,
            [Unknown("pay")],
            expect![[r#"
        process: 1 inside
          pay: ATTEMPT_UNKNOWN the outcome of an attempt at job '2251799813685253' is unknown: power was cut; look at the evidence, then complete the job if it happened, or resolve the incident to do it again"#]],
        );
        check(
            model,
            [Unknown("pay"), done("pay")],
            expect!["completed {}"],
        );
        check(
            model,
            [Unknown("pay"), Resolve("pay")],
            expect![[r#"
        process: 1 inside
          pay: job"#]],
        );
    }

    #[test]
    fn retries_and_type_can_be_computed() {
        check_with(
            "start > a:job(type==kind, retries==n) > end",
            r#"{"kind":"print","n":1}"#,
            [],
            expect![[r#"
                process: 1 inside
                  a: job print"#]],
        );
        check_with(
            "start > a:job(type==kind, retries==n) > end",
            r#"{"kind":"print","n":0}"#,
            [],
            expect![[r#"
                process: 1 inside
                  a: JOB_NO_RETRIES the model gives 'a' 0 retries: correct the model, or resolve the incident to try once"#]],
        );
        check_with(
            "start > a:job(type==kind, retries==n) > end",
            r#"{"kind":"","n":1}"#,
            [],
            expect![[r#"
                process: 1 inside
                  a: EXTRACT_VALUE_ERROR the job type of 'a' is empty: nobody can ask for such a job"#]],
        );
        check_with(
            "start > a:job(type==kind, retries==n) > end",
            r#"{"kind":"print","n":"many"}"#,
            [],
            expect![[r#"
                process: 1 inside
                  a: EXTRACT_VALUE_ERROR the number of retries of 'a' expects a whole number: `=n`, found the string "many"; correct the variable or the model"#]],
        );
    }
}
