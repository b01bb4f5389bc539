//! Job: the applications that come in, who of them becomes a customer, and how each one went.

use serde_json::{Value, json};

use super::door::{Attempt, Door, Evidence};
use crate::crm::Expected;

/// One application for an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// What everybody calls it.
    pub reference: String,
    /// The applicant.
    pub name: String,
    income: u32,
    years_at_address: u32,
    open_invoices: u32,
}

/// First and last names, so that letters and cards look as they do in an office.
const FIRST: [&str; 7] = ["Ada", "Grace", "Edsger", "Barbara", "Kurt", "Emmy", "José"];
const LAST: [&str; 5] = ["Lovelace", "O'Neill", "Müller", "Noether", "Dijkstra-Smith"];

impl Application {
    /// The n-th application; its score suffices.
    pub fn good(n: usize) -> Self {
        let name = format!("{} {}", FIRST[n % FIRST.len()], LAST[n % LAST.len()]);
        let step = u32::try_from(n % 10).unwrap_or(0);
        Self {
            reference: format!("ONB-{n:04}"),
            name,
            income: 3_000 + 250 * step,
            years_at_address: 1 + step,
            open_invoices: 0,
        }
    }

    /// The n-th application, from somebody who owes too much.
    pub fn poor(n: usize) -> Self {
        Self {
            income: 900,
            years_at_address: 0,
            open_invoices: 1,
            ..Self::good(n)
        }
    }

    /// The score by which it is judged: the same rule as in the model, in other words.
    pub fn score(&self) -> u32 {
        let earned = 20 + self.income / 100 + 5 * self.years_at_address.min(5);
        earned.saturating_sub(30 * self.open_invoices).min(100)
    }

    /// Whether the applicant becomes a customer.
    pub fn is_accepted(&self) -> bool {
        self.score() >= 50
    }

    /// The applicant's e-mail address.
    pub fn email(&self) -> String {
        format!("{}@example.com", self.reference.to_lowercase())
    }

    /// The variables with which its instance starts.
    pub fn variables(&self) -> Value {
        json!({
            "reference": self.reference,
            "income": self.income,
            "yearsAtAddress": self.years_at_address,
            "openInvoices": self.open_invoices,
            "customer": {"name": self.name, "email": self.email(), "phone": "+49 30 1234567", "type": "private"},
        })
    }
}

/// An application and the instance that takes care of it.
#[derive(Debug, Clone)]
pub struct Run {
    /// The application.
    pub application: Application,
    /// The instance's key.
    pub instance: String,
    /// Attempts that have been told of.
    pub told: Vec<String>,
    /// Whether the instance is over.
    pub is_over: bool,
}

impl Run {
    /// The run of an application by this instance.
    pub fn new(application: Application, instance: String) -> Self {
        Self {
            application,
            instance,
            told: Vec::new(),
            is_over: false,
        }
    }
}

/// How an instance went, once it is over.
#[derive(Debug, Clone)]
pub struct Done {
    /// The application.
    pub application: Application,
    /// The instance's key.
    pub instance: String,
    /// Its state.
    pub state: String,
    /// The customer number that it was told.
    pub number: Option<String>,
    /// The score that it computed.
    pub score: Option<u64>,
    /// Whether it holds the time of the confirmation.
    pub is_confirmed: bool,
    /// Who tried what.
    pub attempts: Vec<Attempt>,
    /// What they left.
    pub evidence: Vec<Evidence>,
}

impl Done {
    /// Reads how a run went.
    pub async fn read(door: &Door, run: &Run) -> anyhow::Result<Self> {
        let key = &run.instance;
        let number = door.variable(key, "customerNumber").await?;
        Ok(Self {
            application: run.application.clone(),
            instance: key.clone(),
            state: door.state(key).await?,
            number: number.and_then(|number| number.as_str().map(ToOwned::to_owned)),
            score: door
                .variable(key, "score")
                .await?
                .and_then(|score| score.as_u64()),
            is_confirmed: door
                .variable(key, "confirmedAt")
                .await?
                .is_some_and(|at| at.is_string()),
            attempts: door.attempts(key).await?,
            evidence: door.evidence(key).await?,
        })
    }

    /// What the CRM should hold of it.
    pub fn expected(&self) -> Option<Expected> {
        self.application.is_accepted().then(|| Expected {
            reference: self.application.reference.clone(),
            email: self.application.email(),
            number: self.number.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_applications_are_accepted_and_poor_ones_are_not() {
        for n in 0..100 {
            assert!(Application::good(n).is_accepted(), "{n}");
            assert!(!Application::poor(n).is_accepted(), "{n}");
        }
    }
}
