//! Readers: searches beside the writer, on connections that can change nothing.

mod entities;
mod search;

pub use entities::{
    AgentField, Agents, AttemptField, Attempts, Audit, AuditField, DefinitionField, DefinitionItem,
    Definitions, ElementField, ElementItem, Elements, IncidentField, IncidentItem, Incidents,
    InstanceField, InstanceItem, Instances, JobField, JobItem, Jobs, RouteField, Routes,
    UserTaskField, UserTaskItem, UserTasks, VariableField, VariableItem, Variables,
};
pub use search::{
    Entity, Filter, LIMIT_DEFAULT, LIMIT_MAX, Op, Order, Page, PageFrom, Search, SearchError,
    TOTAL_MAX, Value,
};

use crate::format::Loaded;
use crate::rows::{Counts, DefinitionRow, VariableRow};
use crate::sqlite::{decode, load, open_reader};
use crate::store::StoreError;
use botswain_engine::{Key, SegmentId, Symbol};
use parking_lot::{Condvar, Mutex};
use rusqlite::{Connection, OptionalExtension};
use smol_str::SmolStr;
use std::path::Path;
use std::sync::Arc;

/// How many searches run at a time; more wait for their turn.
const CONNECTIONS: usize = 4;

/// A pool of connections that only read. Cheap to clone; its calls block.
#[derive(Clone, Debug)]
pub struct Reader {
    pool: Arc<Pool>,
}

#[derive(Debug)]
struct Pool {
    idle: Mutex<Vec<Connection>>,
    returned: Condvar,
}

impl Reader {
    /// Opens the pool of a data folder whose store is open.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn open(folder: &Path) -> Result<Reader, StoreError> {
        let idle = (0..CONNECTIONS)
            .map(|_| open_reader(folder))
            .collect::<Result<_, _>>()?;
        Ok(Reader {
            pool: Arc::new(Pool {
                idle: Mutex::new(idle),
                returned: Condvar::new(),
            }),
        })
    }

    /// Searches one kind of thing. What was committed before the call is found.
    ///
    /// # Errors
    /// The search makes no sense, or the database cannot be read.
    pub fn search<E: Entity>(&self, search: &Search<E>) -> Result<Page<E::Item>, SearchError> {
        self.with(|conn| search.run(conn))
    }

    /// The checkpoint of a segment and the journal after it: to show where its tokens are and why they wait.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn segment(&self, id: SegmentId) -> Result<Option<Loaded>, StoreError> {
        self.with(|conn| load::segment(conn, id))
    }

    /// How often the elements of a version were visited; the process as a whole has symbol [`crate::WHOLE_PROCESS`].
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn counts(&self, definition: Key) -> Result<Vec<(i64, Counts)>, StoreError> {
        self.with(|conn| {
            let mut statement = conn.prepare_cached(
                "SELECT node, sum(entered), sum(completed), sum(terminated), sum(incidents) FROM counter WHERE definition = ?1
                 GROUP BY node ORDER BY node",
            )?;
            let rows = statement.query_map([definition.as_i64()], |row| {
                let counts = Counts {
                    entered: row.get(1)?,
                    completed: row.get(2)?,
                    terminated: row.get(3)?,
                    incidents: row.get(4)?,
                };
                Ok((row.get(0)?, counts))
            })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// The BPMN id behind a stored symbol.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn element_id(&self, definition: Key, node: Symbol) -> Result<Option<SmolStr>, StoreError> {
        self.with(|conn| {
            let sql = "SELECT id FROM symbol WHERE part = ?1 AND definition = ?2 AND node = ?3";
            let name = (
                i64::from(definition.partition().0),
                definition.as_i64(),
                i64::from(node.0),
            );
            let mut statement = conn.prepare_cached(sql)?;
            Ok(statement
                .query_row(name, |row| decode::Columns::new(row).text())
                .optional()?)
        })
    }

    /// A version of a process with its model.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn definition(&self, key: Key) -> Result<Option<DefinitionRow>, StoreError> {
        self.with(|conn| load::by_key(conn, key))
    }

    /// A variable with all of its value.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn variable(
        &self,
        root: Key,
        scope: Key,
        name: &str,
    ) -> Result<Option<VariableRow>, StoreError> {
        let condition = "WHERE variable.root = ?1 AND scope = ?2 AND name = ?3";
        self.with(|conn| load::one(conn, condition, (root.as_i64(), scope.as_i64(), name)))
    }

    fn with<T>(&self, read: impl FnOnce(&Connection) -> T) -> T {
        let mut idle = self.pool.idle.lock();
        let conn = loop {
            match idle.pop() {
                Some(conn) => break conn,
                None => self.pool.returned.wait(&mut idle),
            }
        };
        drop(idle);
        let lent = Lent {
            conn: Some(conn),
            pool: &self.pool,
        };
        read(
            lent.conn
                .as_ref()
                .expect("it is given back only when the loan ends"),
        )
    }
}

/// A connection that goes back to the pool, even when a read panics.
struct Lent<'p> {
    conn: Option<Connection>,
    pool: &'p Pool,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            self.pool.idle.lock().push(conn);
            self.pool.returned.notify_one();
        }
    }
}
