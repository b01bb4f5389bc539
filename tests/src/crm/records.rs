//! Records: the CRM's own database, and how what it holds is compared with what should be there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, TransactionBehavior, params};
use serde::{Deserialize, Serialize};

use super::customer::{Customer, CustomerType, Door, Draft, FieldError, NewCustomer};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS customers (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        email TEXT NOT NULL COLLATE NOCASE,
        phone TEXT NOT NULL,
        customer_type TEXT NOT NULL,
        reference TEXT NOT NULL,
        door TEXT NOT NULL,
        created_at TEXT NOT NULL,
        confirmed_at TEXT
    ) STRICT;
    CREATE INDEX IF NOT EXISTS customers_by_email ON customers (email);
    CREATE INDEX IF NOT EXISTS customers_by_reference ON customers (reference);
    CREATE TABLE IF NOT EXISTS attempts (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        door TEXT NOT NULL,
        reference TEXT NOT NULL,
        email TEXT NOT NULL,
        outcome TEXT NOT NULL,
        customer INTEGER,
        idempotency_key TEXT,
        at TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS idempotency_keys (
        key TEXT PRIMARY KEY,
        request TEXT NOT NULL,
        customer INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS confirmations (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        customer INTEGER NOT NULL,
        at TEXT NOT NULL
    ) STRICT;
";

/// Customer numbers begin here, as if others had come before.
const NUMBER_BASE: i64 = 100_000;
const CUSTOMER_COLUMNS: &str =
    "id, name, email, phone, customer_type, reference, door, created_at, confirmed_at";
const NOW: &str = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')";
/// How many customers one page of the list shows.
pub(super) const PAGE: u32 = 25;

/// How one attempt to add a customer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttemptOutcome {
    /// A customer was added.
    Created,
    /// The same idempotency key had added the customer before; nothing was added.
    Replayed,
    /// The e-mail address was taken; nothing was added.
    Duplicate,
    /// A rule was broken; nothing was added.
    Invalid,
    /// The idempotency key belongs to another request; nothing was added.
    Conflict,
}

impl AttemptOutcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Replayed => "replayed",
            Self::Duplicate => "duplicate",
            Self::Invalid => "invalid",
            Self::Conflict => "conflict",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [
            Self::Created,
            Self::Replayed,
            Self::Duplicate,
            Self::Invalid,
            Self::Conflict,
        ]
        .into_iter()
        .find(|outcome| outcome.as_str() == text)
    }
}

/// One attempt to add a customer, whatever came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// By which door it came.
    pub door: Door,
    /// The reference that it named.
    pub reference: String,
    /// The e-mail address that it named.
    pub email: String,
    /// What came of it.
    pub outcome: AttemptOutcome,
    /// The customer that was added or found.
    pub number: Option<String>,
    /// The idempotency key that came with it.
    pub idempotency_key: Option<String>,
    /// When (ISO 8601, UTC).
    pub at: String,
}

/// Everything the database holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Records {
    /// Every customer, oldest first.
    pub customers: Vec<Customer>,
    /// Every attempt to add one, oldest first.
    pub attempts: Vec<Attempt>,
    /// How often each customer number was confirmed.
    pub confirmations: BTreeMap<String, u32>,
}

impl Records {
    /// Reads everything from the database in this data folder, also while the CRM runs.
    pub fn read(data: &Path) -> anyhow::Result<Self> {
        let path = database_path(data);
        let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .with_context(|| format!("open {}", path.display()))?;
        Self::read_from(&connection).with_context(|| format!("read {}", path.display()))
    }

    fn read_from(connection: &Connection) -> rusqlite::Result<Self> {
        // One read transaction, so that the three tables are of one moment.
        let transaction = connection.unchecked_transaction()?;
        let customers = transaction
            .prepare(&format!(
                "SELECT {CUSTOMER_COLUMNS} FROM customers ORDER BY id"
            ))?
            .query_map([], customer_row)?
            .collect::<rusqlite::Result<_>>()?;
        let attempts = transaction
            .prepare("SELECT door, reference, email, outcome, customer, idempotency_key, at FROM attempts ORDER BY id")?
            .query_map([], attempt_row)?
            .collect::<rusqlite::Result<_>>()?;
        let confirmations = transaction
            .prepare("SELECT customer, count(*) FROM confirmations GROUP BY customer")?
            .query_map([], |row| Ok((number(row.get(0)?), row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Self {
            customers,
            attempts,
            confirmations,
        })
    }

    /// Counts the customers that came in by this door.
    pub fn by_door(&self, door: Door) -> usize {
        self.customers
            .iter()
            .filter(|customer| customer.door == door)
            .count()
    }
}

/// Why a customer was not added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    Invalid(Vec<FieldError>),
    Duplicate { number: String },
    KeyReused,
}

/// What came of a request to add a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Added {
    pub customer: Customer,
    /// Whether an earlier request with the same key had added it.
    pub replayed: bool,
}

/// The open database.
#[derive(Clone)]
pub(super) struct Store {
    connection: Arc<Mutex<Connection>>,
    accept_duplicates: bool,
}

impl Store {
    pub(super) fn open(data: &Path, accept_duplicates: bool) -> anyhow::Result<Self> {
        let path = database_path(data);
        let open = || -> rusqlite::Result<Connection> {
            let connection = Connection::open(&path)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.execute_batch(SCHEMA)?;
            Ok(connection)
        };
        let connection = open().with_context(|| format!("open {}", path.display()))?;
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
            accept_duplicates,
        })
    }

    /// Adds a customer if every rule holds, and counts the attempt either way, in one transaction.
    pub(super) async fn add(
        &self,
        door: Door,
        draft: Draft,
        key: Option<String>,
    ) -> anyhow::Result<Result<Added, Refusal>> {
        let accept_duplicates = self.accept_duplicates;
        self.run(move |connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = add(
                &transaction,
                door,
                &draft,
                key.as_deref(),
                accept_duplicates,
            )?;
            transaction.commit()?;
            Ok(result)
        })
        .await
    }

    pub(super) async fn customer(&self, number: String) -> anyhow::Result<Option<Customer>> {
        let Some(id) = id(&number) else {
            return Ok(None);
        };
        self.run(move |connection| by_id(connection, id)).await
    }

    /// Finds customers by exact e-mail address or exact reference, newest first.
    pub(super) async fn find(
        &self,
        email: Option<String>,
        reference: Option<String>,
    ) -> anyhow::Result<Vec<Customer>> {
        self.run(move |connection| {
            connection
                .prepare(&format!(
                    "SELECT {CUSTOMER_COLUMNS} FROM customers
                     WHERE (?1 IS NULL OR email = ?1) AND (?2 IS NULL OR reference = ?2)
                     ORDER BY id DESC LIMIT 100"
                ))?
                .query_map(params![email, reference], customer_row)?
                .collect()
        })
        .await
    }

    /// Searches name, e-mail address, number and reference for a text; gives one page and the number of all hits.
    pub(super) async fn search(
        &self,
        text: String,
        page: u32,
    ) -> anyhow::Result<(Vec<Customer>, u32)> {
        self.run(move |connection| {
            let pattern = format!("%{}%", text.trim().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"));
            let found = format!(
                "FROM customers WHERE name LIKE ?1 ESCAPE '\\' OR email LIKE ?1 ESCAPE '\\'
                         OR reference LIKE ?1 ESCAPE '\\' OR ('C-' || (id + {NUMBER_BASE})) LIKE ?1 ESCAPE '\\'"
            );
            let total = connection.query_row(&format!("SELECT count(*) {found}"), [&pattern], |row| row.get(0))?;
            let customers = connection
                .prepare(&format!("SELECT {CUSTOMER_COLUMNS} {found} ORDER BY id DESC LIMIT ?2 OFFSET ?3"))?
                .query_map(params![pattern, PAGE, i64::from(page) * i64::from(PAGE)], customer_row)?
                .collect::<rusqlite::Result<_>>()?;
            Ok((customers, total))
        })
        .await
    }

    /// Confirms a customer and counts it; a customer confirmed before keeps the first time.
    pub(super) async fn confirm(&self, number: String) -> anyhow::Result<Option<Customer>> {
        let Some(id) = id(&number) else {
            return Ok(None);
        };
        self.run(move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let known = transaction.execute(
                &format!("UPDATE customers SET confirmed_at = coalesce(confirmed_at, {NOW}) WHERE id = ?1"),
                [id],
            )?;
            if known == 1 {
                transaction
                    .execute(&format!("INSERT INTO confirmations (customer, at) VALUES (?1, {NOW})"), [id])?;
            }
            let customer = by_id(&transaction, id)?;
            transaction.commit()?;
            Ok(customer)
        })
        .await
    }

    pub(super) async fn records(&self) -> anyhow::Result<Records> {
        self.run(|connection| Records::read_from(connection)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let connection = self.connection.clone();
        let done = tokio::task::spawn_blocking(move || {
            // A transaction that panicked was rolled back, so the connection is as good as before.
            work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner))
        });
        done.await
            .context("run a database step")?
            .context("use the database")
    }
}

fn add(
    connection: &Connection,
    door: Door,
    draft: &Draft,
    key: Option<&str>,
    accept_duplicates: bool,
) -> rusqlite::Result<Result<Added, Refusal>> {
    let count = |outcome: AttemptOutcome, customer: Option<i64>| {
        connection.execute(
            &format!(
                "INSERT INTO attempts (door, reference, email, outcome, customer, idempotency_key, at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, {NOW})"
            ),
            params![
                door.as_str(),
                draft.reference.trim(),
                draft.email.trim(),
                outcome.as_str(),
                customer,
                key
            ],
        )
    };
    let request = serde_json::to_string(draft).unwrap_or_default();
    if let Some(key) = key {
        let earlier: Option<(String, i64)> = connection
            .query_row(
                "SELECT request, customer FROM idempotency_keys WHERE key = ?1",
                [key],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        match earlier {
            Some((earlier, id)) if earlier == request => {
                count(AttemptOutcome::Replayed, Some(id))?;
                let customer =
                    by_id(connection, id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
                return Ok(Ok(Added {
                    customer,
                    replayed: true,
                }));
            }
            Some((_, id)) => {
                count(AttemptOutcome::Conflict, Some(id))?;
                return Ok(Err(Refusal::KeyReused));
            }
            None => {}
        }
    }
    let new = match draft.check() {
        Ok(new) => new,
        Err(errors) => {
            count(AttemptOutcome::Invalid, None)?;
            return Ok(Err(Refusal::Invalid(errors)));
        }
    };
    if !accept_duplicates {
        let taken: Option<i64> = connection
            .query_row(
                "SELECT id FROM customers WHERE email = ?1 LIMIT 1",
                [&new.email],
                |row| row.get(0),
            )
            .optional()?;
        if let Some(id) = taken {
            count(AttemptOutcome::Duplicate, Some(id))?;
            return Ok(Err(Refusal::Duplicate { number: number(id) }));
        }
    }
    let id = insert(connection, door, &new)?;
    count(AttemptOutcome::Created, Some(id))?;
    if let Some(key) = key {
        connection.execute(
            "INSERT INTO idempotency_keys (key, request, customer) VALUES (?1, ?2, ?3)",
            params![key, request, id],
        )?;
    }
    let customer = by_id(connection, id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    Ok(Ok(Added {
        customer,
        replayed: false,
    }))
}

fn insert(connection: &Connection, door: Door, new: &NewCustomer) -> rusqlite::Result<i64> {
    connection.execute(
        &format!(
            "INSERT INTO customers (name, email, phone, customer_type, reference, door, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, {NOW})"
        ),
        params![
            new.name,
            new.email,
            new.phone,
            new.customer_type.as_str(),
            new.reference,
            door.as_str()
        ],
    )?;
    Ok(connection.last_insert_rowid())
}

fn by_id(connection: &Connection, id: i64) -> rusqlite::Result<Option<Customer>> {
    connection
        .query_row(
            &format!("SELECT {CUSTOMER_COLUMNS} FROM customers WHERE id = ?1"),
            [id],
            customer_row,
        )
        .optional()
}

fn customer_row(row: &Row<'_>) -> rusqlite::Result<Customer> {
    Ok(Customer {
        number: number(row.get(0)?),
        name: row.get(1)?,
        email: row.get(2)?,
        phone: row.get(3)?,
        customer_type: known(4, CustomerType::parse(row.get_ref(4)?.as_str()?))?,
        reference: row.get(5)?,
        door: known(6, Door::parse(row.get_ref(6)?.as_str()?))?,
        created_at: row.get(7)?,
        confirmed_at: row.get(8)?,
    })
}

fn attempt_row(row: &Row<'_>) -> rusqlite::Result<Attempt> {
    Ok(Attempt {
        door: known(0, Door::parse(row.get_ref(0)?.as_str()?))?,
        reference: row.get(1)?,
        email: row.get(2)?,
        outcome: known(3, AttemptOutcome::parse(row.get_ref(3)?.as_str()?))?,
        number: row.get::<_, Option<i64>>(4)?.map(number),
        idempotency_key: row.get(5)?,
        at: row.get(6)?,
    })
}

fn known<T>(column: usize, value: Option<T>) -> rusqlite::Result<T> {
    value.ok_or_else(|| {
        rusqlite::Error::InvalidColumnType(
            column,
            "known word".to_owned(),
            rusqlite::types::Type::Text,
        )
    })
}

fn number(id: i64) -> String {
    format!("C-{}", NUMBER_BASE + id)
}

fn id(number: &str) -> Option<i64> {
    number
        .strip_prefix("C-")?
        .parse::<i64>()
        .ok()?
        .checked_sub(NUMBER_BASE)
}

fn database_path(data: &Path) -> PathBuf {
    data.join("crm.sqlite")
}
