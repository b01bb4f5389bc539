//! SQLite: one file in the data folder, written by one process.

mod checkpoint;
mod commit;
pub(crate) mod decode;
mod dump;
pub(crate) mod load;
mod lock;
mod prune;
mod records;
mod schema;
mod tables;

use crate::store::StoreError;
use checkpoint::Checkpointer;
use lock::FolderLock;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use std::path::{Path, PathBuf};

/// The file's name in the data folder.
const FILE: &str = "botswain.db";

/// How the store uses the machine.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The most memory that the writer keeps of the file, in bytes.
    pub cache_bytes: usize,
    /// The largest size of the file, in pages of [`PAGE_BYTES`]; none means what SQLite can.
    pub pages_max: Option<u32>,
    /// The write-ahead log is written back when it is this long, in pages.
    pub log_pages: u32,
}

/// The size of a page of the file.
pub const PAGE_BYTES: u32 = 8 << 10;

impl Default for Options {
    fn default() -> Options {
        Options {
            cache_bytes: 32 << 20,
            pages_max: None,
            log_pages: 4096,
        }
    }
}

/// The embedded store.
#[derive(Debug)]
pub struct SqliteStore {
    conn: Connection,
    checkpointer: Checkpointer,
    folder: PathBuf,
    // Last: the folder is free when the connections are closed.
    _lock: FolderLock,
}

impl SqliteStore {
    /// Opens the store of a data folder, and makes it if there is none.
    ///
    /// # Errors
    /// Another process uses the folder, a later build wrote it, or the files cannot be used.
    pub fn open(folder: &Path, options: Options) -> Result<SqliteStore, StoreError> {
        std::fs::create_dir_all(folder).map_err(|error| StoreError::File {
            path: folder.display().to_string(),
            error,
        })?;
        let lock = FolderLock::take(folder)?;
        let path = folder.join(FILE);
        let mut conn = Connection::open(&path)?;
        conn.set_prepared_statement_cache_capacity(256);
        prepare(&conn, options)?;
        let checkpointer = Checkpointer::start(&mut conn, &path, options.log_pages)?;
        Ok(SqliteStore {
            conn,
            checkpointer,
            folder: folder.to_owned(),
            _lock: lock,
        })
    }

    /// The data folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Changes the largest size of the file, in pages; 0 means what SQLite can.
    ///
    /// # Errors
    /// The database cannot be used.
    pub fn set_pages_max(&mut self, pages: u32) -> Result<(), StoreError> {
        let pages = if pages == 0 { u32::MAX - 1 } else { pages };
        self.conn
            .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
        Ok(())
    }

    /// Reads every page and index and says what is wrong; nothing, when all is well.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn check_integrity(&self) -> Result<Vec<String>, StoreError> {
        let mut statement = self.conn.prepare("PRAGMA integrity_check(100)")?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
        let mut found: Vec<String> = rows.collect::<rusqlite::Result<_>>()?;
        found.retain(|line| line != "ok");
        Ok(found)
    }

    /// Writes a copy of the database into a new file, as of now. Commits wait meanwhile.
    ///
    /// # Errors
    /// The file exists, or cannot be written.
    pub fn back_up(&self, to: &Path) -> Result<(), StoreError> {
        let to = to
            .to_str()
            .ok_or_else(|| StoreError::Database(format!("path {} is not UTF-8", to.display())))?;
        self.conn.execute("VACUUM INTO ?1", [to])?;
        Ok(())
    }

    /// What is stored about the database as a whole.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn meta(&self, name: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT value FROM meta WHERE name = ?1";
        Ok(self
            .conn
            .prepare_cached(sql)?
            .query_row([name], |row| row.get(0))
            .optional()?)
    }

    /// Stores something about the database as a whole.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn set_meta(&mut self, name: &str, value: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        self.conn.prepare_cached(sql)?.execute([name, value])?;
        Ok(())
    }
}

/// Opens one more connection that only reads.
pub(crate) fn open_reader(folder: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(folder.join(FILE), flags)?;
    conn.set_prepared_statement_cache_capacity(64);
    conn.execute_batch(
        "PRAGMA query_only = 1; PRAGMA busy_timeout = 5000; PRAGMA cache_size = -2048;",
    )?;
    Ok(conn)
}

/// Sets the connection up, and brings an empty file to the format of this build.
fn prepare(conn: &Connection, options: Options) -> Result<(), StoreError> {
    conn.execute_batch(&format!(
        "PRAGMA page_size = {PAGE_BYTES}; PRAGMA busy_timeout = 5000; PRAGMA temp_store = MEMORY;"
    ))?;
    let tables: i64 = conn.query_row(
        "SELECT count(*) FROM sqlite_schema WHERE name = 'meta'",
        [],
        |row| row.get(0),
    )?;
    if tables > 0 {
        let sql = "SELECT value FROM meta WHERE name = 'format'";
        let format: String = conn.query_row(sql, [], |row| row.get(0))?;
        let found = format
            .parse()
            .map_err(|_| StoreError::Database(format!("format '{format}' is no number")))?;
        if found > schema::FORMAT {
            return Err(StoreError::Newer {
                found,
                known: schema::FORMAT,
            });
        }
    }
    let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(StoreError::Database(format!(
            "the file system of the data folder allows no write-ahead log (journal mode '{mode}'): choose a local disk"
        )));
    }
    conn.execute_batch(&format!(
        "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = {};
         PRAGMA cache_size = -{}; PRAGMA foreign_keys = 0;",
        i64::from(options.log_pages) * i64::from(PAGE_BYTES) * 2,
        (options.cache_bytes >> 10).max(1024),
    ))?;
    if tables == 0 {
        let transaction = conn.unchecked_transaction()?;
        transaction.execute_batch(schema::TABLES)?;
        transaction.execute(
            "INSERT INTO meta (name, value) VALUES ('format', ?1)",
            [schema::FORMAT.to_string()],
        )?;
        let cluster = uuid::Uuid::new_v4().to_string();
        transaction.execute(
            "INSERT INTO meta (name, value) VALUES ('cluster_id', ?1)",
            [cluster],
        )?;
        transaction.commit()?;
    }
    if let Some(pages) = options.pages_max {
        conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
    }
    Ok(())
}
