//! What is asked about jobs: subscriptions, and how a job ended.

use super::ask::{Answer, Refusal, RefusalKind, ReplyTo};
use super::sessions::Wish;
use super::steps::Failure;
use super::writer::{Activation, Writer};
use crate::dispatch::{ResultRefused, SessionId, Subscription};
use botswain_engine::{Command, Key, SegmentId, Variables};
use smol_str::SmolStr;

/// The longest lease of a worker: a week.
const LEASE_MS_MAX: u64 = 7 * 24 * 3_600_000;

/// The longest wait for jobs.
const WAIT_MS_MAX: u64 = 600_000;

impl Writer {
    pub(super) fn subscribe(
        &mut self,
        session: SessionId,
        wish: Subscription,
        fetch: Vec<SmolStr>,
    ) -> Result<Answer, Refusal> {
        let (id, worker) = (wish.id, wish.worker.clone());
        if self.sessions.get(session).is_none() {
            return Err(Refusal::new(
                RefusalKind::InvalidState,
                "the stream is closed",
            ));
        }
        self.desk
            .subscribe(session, wish)
            .map_err(|refused| Refusal::new(RefusalKind::InvalidArgument, refused.to_string()))?;
        if let Some(session) = self.sessions.get_mut(session) {
            session.wishes.insert(id, Wish { worker, fetch });
        }
        Ok(Answer::Done)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the fields of one request, taken apart where all requests are told apart"
    )]
    pub(super) fn activate(
        &mut self,
        job_type: SmolStr,
        worker: SmolStr,
        most: u32,
        lease_ms: u64,
        wait_ms: u64,
        fetch: Vec<SmolStr>,
        reply: ReplyTo,
    ) {
        let wrong = [
            (job_type.is_empty(), "type", "present", "blank"),
            (
                lease_ms == 0 || lease_ms > LEASE_MS_MAX,
                "timeout",
                "greater than zero and at most a week",
                "not",
            ),
            (most == 0, "maxJobsToActivate", "greater than zero", "0"),
        ];
        if let Some((_, what, expected, found)) = wrong.iter().find(|(wrong, ..)| *wrong) {
            let message = format!(
                "Expected to activate job batch with {what} to be {expected}, but it was {found}"
            );
            return self.replies.push((
                reply,
                Err(Refusal::new(RefusalKind::InvalidArgument, message)),
            ));
        }
        self.next_session += 1;
        let session = SessionId(self.next_session);
        let until = self.now.mono.saturating_add(wait_ms.min(WAIT_MS_MAX));
        let wish = Subscription {
            id: 0,
            job_type,
            worker: worker.clone(),
            credits: most,
            lease_ms,
        };
        match self.desk.request(session, wish, until) {
            Ok(()) => {
                self.activations.insert(
                    session,
                    Activation {
                        reply,
                        fetch,
                        worker,
                        jobs: Vec::new(),
                    },
                );
            }
            Err(refused) => {
                self.replies.push((
                    reply,
                    Err(Refusal::new(
                        RefusalKind::InvalidArgument,
                        refused.to_string(),
                    )),
                ));
            }
        }
    }

    pub(super) fn complete_job(
        &mut self,
        job: Key,
        fence: u64,
        variables: Variables,
    ) -> Result<Answer, Refusal> {
        let id = self.job_place(job, fence, "complete")?;
        self.run(id, Command::CompleteJob { job, variables })
            .map(|()| Answer::Done)
            .map_err(|failure| job_refusal(failure, "complete", job))
    }

    pub(super) fn settle_job(
        &mut self,
        job: Key,
        variables: Variables,
        by: &str,
    ) -> Result<Answer, Refusal> {
        let id = match self.desk.operator_result(job) {
            Ok(id) => id,
            Err(ResultRefused::NotHere(_)) => self.any_job_place(job, "complete")?,
            Err(refused) => return Err(result_refusal(&refused, "complete", job)),
        };
        self.run(id, Command::CompleteJob { job, variables })
            .map_err(|failure| job_refusal(failure, "complete", job))?;
        self.audit(
            by.to_owned(),
            SmolStr::new_static("job.settle"),
            job.to_string(),
            None,
        );
        Ok(Answer::Done)
    }

    pub(super) fn fail_job(
        &mut self,
        job: Key,
        fence: u64,
        retries: i32,
        back_off_ms: u64,
        message: String,
        variables: Variables,
    ) -> Result<Answer, Refusal> {
        let id = self.job_place(job, fence, "fail")?;
        let back_off = i64::try_from(back_off_ms).unwrap_or(i64::MAX);
        let retry_at =
            (back_off_ms > 0 && retries > 0).then(|| self.now.wall.saturating_add(back_off));
        self.run(
            id,
            Command::FailJob {
                job,
                retries,
                retry_at,
                message,
                variables,
            },
        )
        .map(|()| Answer::Done)
        .map_err(|failure| job_refusal(failure, "fail", job))
    }

    pub(super) fn throw_error(
        &mut self,
        job: Key,
        fence: u64,
        code: SmolStr,
        message: String,
        variables: Variables,
    ) -> Result<Answer, Refusal> {
        let id = self.job_place(job, fence, "throw an error for")?;
        self.run(
            id,
            Command::ThrowError {
                job,
                code,
                message,
                variables,
            },
        )
        .map(|()| Answer::Done)
        .map_err(|failure| job_refusal(failure, "throw an error for", job))
    }

    pub(super) fn update_job(
        &mut self,
        job: Key,
        retries: Option<i32>,
        timeout_ms: Option<u64>,
    ) -> Result<Answer, Refusal> {
        if let Some(timeout_ms) = timeout_ms {
            let lease = timeout_ms.min(LEASE_MS_MAX);
            let until = self
                .desk
                .renew(job, 0, lease, self.now)
                .map_err(|refused| result_refusal(&refused, "update the timeout of", job))?;
            // The row's lease is written with the next assignment; a restart counts from what the row says.
            tracing::debug!(job = job.as_u64(), until, "a lease was renewed");
        }
        if let Some(retries) = retries {
            let id = self.any_job_place(job, "update retries for")?;
            self.run(id, Command::SetRetries { job, retries })
                .map_err(|failure| job_refusal(failure, "update retries for", job))?;
        }
        Ok(Answer::Done)
    }

    /// Where a job's token is, if the one who asks may say how the job ended.
    fn job_place(&mut self, job: Key, fence: u64, verb: &str) -> Result<SegmentId, Refusal> {
        match self.desk.worker_result(job, fence) {
            Ok(id) => Ok(id),
            // It waits in the store, or an operator has to speak first: the engine knows.
            Err(ResultRefused::NotHere(_)) => self.any_job_place(job, verb),
            Err(refused) => Err(result_refusal(&refused, verb, job)),
        }
    }

    fn any_job_place(&mut self, job: Key, verb: &str) -> Result<SegmentId, Refusal> {
        if let Ok(id) = self.desk.worker_result(job, 0) {
            return Ok(id);
        }
        let row = self
            .store
            .job(job)
            .map_err(|error| Refusal::unreadable(&error))?;
        row.map(|row| SegmentId {
            root: row.root,
            number: row.segment,
        })
        .ok_or_else(|| Refusal::not_found(verb, "job", job))
    }
}

fn job_refusal(failure: Failure, verb: &str, job: Key) -> Refusal {
    let refusal = failure.refusal(verb);
    if refusal.kind == RefusalKind::NotFound {
        Refusal::not_found(verb, "job", job)
    } else {
        refusal
    }
}

fn result_refusal(refused: &ResultRefused, verb: &str, job: Key) -> Refusal {
    let kind = match refused {
        ResultRefused::NotHere(_) => return Refusal::not_found(verb, "job", job),
        ResultRefused::NotHeld { .. } | ResultRefused::Stale { .. } => RefusalKind::InvalidState,
    };
    Refusal::new(
        kind,
        format!("Expected to {verb} job with key '{job}', but {refused}"),
    )
}
