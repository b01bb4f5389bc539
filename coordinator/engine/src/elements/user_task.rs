//! User tasks: a person works; who, until when and with which form is computed when the token arrives.

use super::activity;
use crate::event::{Event, UserTaskDetails};
use crate::incident::{IncidentKind, Problem};
use crate::instance::Wait;
use crate::lookup::What;
use crate::process::{Node, UserTask, Value};
use crate::step::{At, Cx};
use crate::variables::Variables;
use smol_str::SmolStr;

/// The priority of a user task whose model names none.
const PRIORITY_USUAL: u8 = 50;

pub(super) fn enter(cx: &mut Cx<'_>, at: At, node: &Node, task: &UserTask) -> Result<(), Problem> {
    let prepared = activity::prepare(cx, at, node)?;
    let details = Box::new(details(cx, at, &prepared.locals, node, task)?);
    activity::begin(cx, at, prepared);
    let key = cx.fresh_key();
    cx.emit(
        at.segment,
        Event::UserTaskOpened {
            token: at.token,
            task: key,
            node: node.symbol,
            details,
        },
    );
    Ok(())
}

pub(super) fn cancel(cx: &mut Cx<'_>, at: At) {
    let event = match cx.token(at).wait() {
        Wait::UserTask { task, .. } => Some(Event::UserTaskCancelled {
            token: at.token,
            task: *task,
        }),
        Wait::Nothing
        | Wait::Join { .. }
        | Wait::Job(_)
        | Wait::Timer { .. }
        | Wait::Message { .. }
        | Wait::Children => None,
    };
    super::end_wait(cx, at, event);
}

/// Computes the details of a user task.
pub(super) fn details(
    cx: &Cx<'_>,
    at: At,
    over: &Variables,
    node: &Node,
    task: &UserTask,
) -> Result<UserTaskDetails, Problem> {
    let text = |part: &'static str, value: &Option<Value>| -> Result<Option<SmolStr>, Problem> {
        let text = value
            .as_ref()
            .map(|value| cx.text(at, over, What::of(part, node), value))
            .transpose()?;
        Ok(text.filter(|text| !text.is_empty()))
    };
    let texts = |part: &'static str, value: &Option<Value>| -> Result<Vec<SmolStr>, Problem> {
        value.as_ref().map_or(Ok(Vec::new()), |value| {
            cx.texts(at, over, What::of(part, node), value)
        })
    };
    let priority = match &task.priority {
        None => PRIORITY_USUAL,
        Some(value) => {
            let found = cx.integer(at, over, What::of("the priority", node), value)?;
            u8::try_from(found)
                .ok()
                .filter(|priority| *priority <= 100)
                .ok_or_else(|| {
                    let message = format!(
                        "the priority of '{}' is {found}: expected 0 to 100",
                        node.id
                    );
                    Problem::new(IncidentKind::ExtractValueError, message)
                })?
        }
    };
    Ok(UserTaskDetails {
        assignee: text("the assignee", &task.assignee)?,
        candidate_groups: texts("the candidate groups", &task.candidate_groups)?,
        candidate_users: texts("the candidate users", &task.candidate_users)?,
        due_date: text("the due date", &task.due_date)?,
        follow_up_date: text("the follow-up date", &task.follow_up_date)?,
        form: text("the form", &task.form)?,
        priority,
    })
}

#[cfg(test)]
mod tests {
    use crate::check::Input::Person;
    use crate::check::{check, check_with};
    use expect_test::expect;

    #[test]
    fn a_person_completes_a_user_task() {
        let model = r#"start > look:user(assignee==clerk, groups="sales, support") > end"#;
        check_with(
            model,
            r#"{"clerk":"ann"}"#,
            [],
            expect![[r#"
        process: 1 inside
          look: person ann"#]],
        );
        check_with(
            model,
            r#"{"clerk":"ann"}"#,
            [Person("look", r#"{"ok":true}"#)],
            expect![[r#"completed {"clerk":"ann","ok":true}"#]],
        );
        check(
            model,
            [],
            expect![[r#"
        process: 1 inside
          look: EXTRACT_VALUE_ERROR the assignee of 'look' expects a string: `=clerk` gave null (NO_VARIABLE_FOUND: No variable found with name 'clerk'); correct the variables, then resolve the incident"#]],
        );
    }

    #[test]
    fn a_job_based_user_task_is_a_job_of_the_reserved_type() {
        check(
            "start > look:user(job) > end",
            [],
            expect![[r#"
        process: 1 inside
          look: job io.camunda.zeebe:userTask"#]],
        );
    }
}
