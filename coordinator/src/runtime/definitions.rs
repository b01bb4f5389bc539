//! Definitions: the deployed versions, compiled when they are needed first.

use botswain_bpmn::{Limits, Problem};
use botswain_engine::{Key, Process, compile_frozen};
use botswain_store::rows::DefinitionRow;
use botswain_store::{Store, StoreError};
use rustc_hash::FxHashMap;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One deployed version of a process.
#[derive(Debug)]
pub struct Definition {
    /// Its key.
    pub key: Key,
    /// Its version, from 1.
    pub version: u32,
    /// What runs.
    pub process: Arc<Process>,
}

/// What is known of a version without compiling it.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) key: Key,
    pub(super) version: u32,
    pub(super) digest: botswain_store::rows::Digest,
    pub(super) resource_name: String,
}

/// All versions of all processes.
#[derive(Default)]
pub(super) struct Definitions {
    compiled: FxHashMap<Key, Arc<Definition>>,
    versions: BTreeMap<SmolStr, Vec<Known>>,
    /// Deployed in the batch at hand, and not durable yet.
    fresh: Vec<Key>,
}

impl Definitions {
    /// Notes a version that is stored.
    pub(super) fn know(&mut self, row: &DefinitionRow) {
        let known = Known {
            key: row.key,
            version: row.version,
            digest: row.digest,
            resource_name: row.resource_name.clone(),
        };
        self.versions
            .entry(row.process_id.clone())
            .or_default()
            .push(known);
    }

    /// Takes a version that is being deployed.
    pub(super) fn add(&mut self, row: &DefinitionRow, process: Process) -> Arc<Definition> {
        self.know(row);
        let definition = Arc::new(Definition {
            key: row.key,
            version: row.version,
            process: Arc::new(process),
        });
        self.compiled.insert(row.key, Arc::clone(&definition));
        self.fresh.push(row.key);
        definition
    }

    /// The latest version of a process.
    pub(super) fn latest(&self, process_id: &str) -> Option<&Known> {
        self.versions.get(process_id)?.last()
    }

    /// A version of a process.
    pub(super) fn version(&self, process_id: &str, version: u32) -> Option<&Known> {
        self.versions
            .get(process_id)?
            .iter()
            .find(|known| known.version == version)
    }

    /// A version that is compiled, or is compiled for this.
    pub(super) fn get(
        &mut self,
        key: Key,
        store: &mut dyn Store,
    ) -> Result<Option<Arc<Definition>>, StoreError> {
        if let Some(definition) = self.compiled.get(&key) {
            return Ok(Some(Arc::clone(definition)));
        }
        let Some(row) = store.definition(key)? else {
            return Ok(None);
        };
        let process = recompile(&row).map_err(|problems| {
            let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
            StoreError::Database(format!(
                "definition {key} of '{}' no longer compiles: {}",
                row.process_id,
                all.join("; ")
            ))
        })?;
        let definition = Arc::new(Definition {
            key,
            version: row.version,
            process: Arc::new(process),
        });
        self.compiled.insert(key, Arc::clone(&definition));
        Ok(Some(definition))
    }
}

fn recompile(row: &DefinitionRow) -> Result<Process, Vec<Problem>> {
    let model = botswain_bpmn::read(&row.xml, &Limits::default())?;
    compile_frozen(&model, &row.process_id, &row.symbols)
}
