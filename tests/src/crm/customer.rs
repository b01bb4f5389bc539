//! Customers: what the CRM knows of one, and the rules that a new one must satisfy.

use serde::{Deserialize, Serialize};

/// By which door a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Door {
    /// The form of the web application.
    Web,
    /// The HTTP API.
    Api,
}

impl Door {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Api => "api",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "web" => Some(Self::Web),
            "api" => Some(Self::Api),
            _ => None,
        }
    }
}

/// The kind of a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CustomerType {
    /// A person.
    Private,
    /// A company.
    Business,
}

impl CustomerType {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Business => "business",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "private" => Some(Self::Private),
            "business" => Some(Self::Business),
            _ => None,
        }
    }
}

/// A customer as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Customer {
    /// The customer number, such as `C-100001`.
    pub number: String,
    /// The full name.
    pub name: String,
    /// The e-mail address, unique without regard to case.
    pub email: String,
    /// The phone number; empty if unknown.
    pub phone: String,
    /// The kind of customer.
    pub customer_type: CustomerType,
    /// The reference of the order in somebody else's books; empty if none was given.
    pub reference: String,
    /// By which door the customer came in.
    pub door: Door,
    /// When the customer was added (ISO 8601, UTC).
    pub created_at: String,
    /// When the customer was confirmed; none before that.
    pub confirmed_at: Option<String>,
}

/// What somebody typed or sent to add a customer; nothing of it is checked yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Draft {
    /// The full name.
    #[serde(default)]
    pub name: String,
    /// The e-mail address.
    #[serde(default)]
    pub email: String,
    /// The phone number.
    #[serde(default)]
    pub phone: String,
    /// `private` or `business`; empty means `private`.
    #[serde(default)]
    pub customer_type: String,
    /// The reference of the order in somebody else's books.
    #[serde(default)]
    pub reference: String,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// The field, as the API names it.
    pub field: String,
    /// What is expected.
    pub message: String,
}

/// A draft that satisfies every rule that needs no database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NewCustomer {
    pub name: String,
    pub email: String,
    pub phone: String,
    pub customer_type: CustomerType,
    pub reference: String,
}

impl Draft {
    pub(super) fn check(&self) -> Result<NewCustomer, Vec<FieldError>> {
        let name = self.name.split_whitespace().collect::<Vec<_>>().join(" ");
        let email = self.email.trim().to_owned();
        let phone = self.phone.trim().to_owned();
        let reference = self.reference.trim().to_owned();
        let mut errors = Vec::new();
        let mut wrong = |field: &str, message: &str| {
            errors.push(FieldError {
                field: field.to_owned(),
                message: message.to_owned(),
            });
        };
        if !(2..=100).contains(&name.chars().count()) {
            wrong("name", "Please enter the full name (2 to 100 characters).");
        } else if name.chars().any(|c| c.is_control() || c.is_ascii_digit()) {
            wrong("name", "A name has no digits.");
        }
        if !is_email(&email) {
            wrong(
                "email",
                "Please enter a valid e-mail address, such as name@example.com.",
            );
        }
        if phone.len() > 40
            || !phone
                .chars()
                .all(|c| c.is_ascii_digit() || " +-/().".contains(c))
        {
            wrong(
                "phone",
                "A phone number has digits, spaces and + - / ( ) only.",
            );
        }
        let customer_type = match self.customer_type.as_str() {
            "" => Some(CustomerType::Private),
            text => CustomerType::parse(text),
        };
        if customer_type.is_none() {
            wrong("customerType", "Please choose private or business.");
        }
        if reference.chars().count() > 64 || reference.chars().any(char::is_control) {
            wrong("reference", "A reference has at most 64 characters.");
        }
        match customer_type {
            Some(customer_type) if errors.is_empty() => Ok(NewCustomer {
                name,
                email,
                phone,
                customer_type,
                reference,
            }),
            _ => Err(errors),
        }
    }
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let labels: Vec<&str> = domain.split('.').collect();
    text.len() <= 254
        && !local.is_empty()
        && local
            .chars()
            .all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c))
        && labels.len() >= 2
        && labels.iter().all(|label| {
            !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(name: &str, email: &str) -> Draft {
        Draft {
            name: name.to_owned(),
            email: email.to_owned(),
            ..Draft::default()
        }
    }

    #[test]
    fn a_name_and_an_email_address_make_a_private_customer() {
        let customer = draft("  Ada   Lovelace ", " ada@example.com ")
            .check()
            .unwrap();
        assert_eq!(customer.name, "Ada Lovelace");
        assert_eq!(customer.email, "ada@example.com");
        assert_eq!(customer.customer_type, CustomerType::Private);
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let wrong = Draft {
            name: "A".to_owned(),
            email: "ada@".to_owned(),
            phone: "call me".to_owned(),
            customer_type: "alien".to_owned(),
            reference: "r".repeat(65),
        };
        let fields: Vec<String> = wrong
            .check()
            .unwrap_err()
            .into_iter()
            .map(|error| error.field)
            .collect();
        assert_eq!(
            fields,
            ["name", "email", "phone", "customerType", "reference"]
        );
    }

    #[test]
    fn addresses_without_a_full_domain_are_refused() {
        for email in [
            "",
            "ada",
            "ada@example",
            "@example.com",
            "a b@example.com",
            "ada@example..com",
            "a@b@c.com",
        ] {
            assert!(
                draft("Ada Lovelace", email).check().is_err(),
                "{email:?} was accepted"
            );
        }
    }
}
