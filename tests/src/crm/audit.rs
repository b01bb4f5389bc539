//! Audit: how the CRM's records differ from what should be there; each customer exactly once and nobody else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::customer::Customer;
use super::records::{Attempt, AttemptOutcome, Records};

/// A customer that should be there exactly once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Expected {
    /// The reference under which it was added.
    pub reference: String,
    /// Its e-mail address.
    pub email: String,
    /// The customer number that the process was told; none if it was told none.
    pub number: Option<String>,
}

/// One way in which the records are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// Nobody was added under this reference.
    #[error("{reference}: no customer was added")]
    Missing {
        /// The reference.
        reference: String,
    },
    /// More than one customer was added under this reference.
    #[error("{reference}: {times} customers were added: {numbers}")]
    Repeated {
        /// The reference.
        reference: String,
        /// How many.
        times: usize,
        /// Their numbers.
        numbers: String,
    },
    /// It was tried to add the customer again; a rule of the CRM stopped that.
    #[error("{reference}: added once, but {times} further attempts were refused as duplicates")]
    Retried {
        /// The reference.
        reference: String,
        /// How many further attempts.
        times: usize,
    },
    /// The customer differs from what the process knows.
    #[error("{reference}: {field} is {found:?}, expected {expected:?}")]
    Wrong {
        /// The reference.
        reference: String,
        /// Which field.
        field: &'static str,
        /// What the process knows.
        expected: String,
        /// What the CRM holds.
        found: String,
    },
    /// A customer that nobody asked for.
    #[error("{number}: nobody asked for this customer (reference {reference:?})")]
    Unexpected {
        /// Its number.
        number: String,
        /// Its reference.
        reference: String,
    },
}

impl Records {
    /// Compares with what should be there: each expected customer exactly once, and nobody else.
    pub fn differences(&self, expected: &[Expected]) -> Vec<Difference> {
        let mut by_reference: BTreeMap<&str, Vec<&Customer>> = BTreeMap::new();
        for customer in &self.customers {
            by_reference
                .entry(&customer.reference)
                .or_default()
                .push(customer);
        }
        let mut differences = Vec::new();
        for wanted in expected {
            let reference = wanted.reference.clone();
            let found = by_reference
                .remove(wanted.reference.as_str())
                .unwrap_or_default();
            let [customer] = found.as_slice() else {
                differences.push(match found.len() {
                    0 => Difference::Missing { reference },
                    times => {
                        let numbers = found
                            .iter()
                            .map(|c| c.number.as_str())
                            .collect::<Vec<_>>()
                            .join(", ");
                        Difference::Repeated {
                            reference,
                            times,
                            numbers,
                        }
                    }
                });
                continue;
            };
            let mut compare = |field: &'static str, expected: &str, found: &str| {
                if !expected.eq_ignore_ascii_case(found) {
                    differences.push(Difference::Wrong {
                        reference: reference.clone(),
                        field,
                        expected: expected.to_owned(),
                        found: found.to_owned(),
                    });
                }
            };
            compare("e-mail", &wanted.email, &customer.email);
            if let Some(number) = &wanted.number {
                compare("number", number, &customer.number);
            }
            let duplicates = |attempt: &&Attempt| {
                attempt.reference == reference && attempt.outcome == AttemptOutcome::Duplicate
            };
            match self.attempts.iter().filter(duplicates).count() {
                0 => {}
                times => differences.push(Difference::Retried { reference, times }),
            }
        }
        differences.extend(by_reference.into_values().flatten().map(|customer| {
            Difference::Unexpected {
                number: customer.number.clone(),
                reference: customer.reference.clone(),
            }
        }));
        differences
    }
}
