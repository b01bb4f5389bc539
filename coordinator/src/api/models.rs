//! Models: what kind of element a stored symbol stands for, and what it is called. Kept for the versions that were asked for last.

use botswain_bpmn::Kind;
use botswain_bpmn::Limits;
use botswain_engine::process::Role;
use botswain_engine::{Key, Symbol};
use botswain_store::rows::DefinitionRow;
use botswain_store::{Reader, StoreError};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// How many versions are kept: a table has some ten bytes for each element.
const KEPT_MAX: usize = 256;

/// What an element is, for people and clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// The kind, as Camunda 8's clients know it.
    pub(crate) kind: &'static str,
    /// The name for people.
    pub(crate) name: Option<String>,
}

/// The elements of one version, by their symbols.
#[derive(Debug, Default)]
pub(crate) struct Elements {
    shown: Vec<Shown>,
    /// The version's number.
    pub(crate) version: u32,
    /// The name of the process.
    pub(crate) process_name: Option<String>,
}

impl Elements {
    /// What a symbol stands for.
    pub(crate) fn get(&self, node: Symbol) -> Option<&Shown> {
        self.shown.get(node.0 as usize)
    }

    fn of(row: &DefinitionRow) -> Elements {
        let mut known: HashMap<&str, (&'static str, Option<String>)> = HashMap::new();
        // What was deployed by an older build is shown without kinds, should this one not read it any more.
        let model = botswain_bpmn::read(&row.xml, &Limits::default()).unwrap_or_default();
        if let Some(process) = model.process(&row.process_id) {
            for element in &process.elements {
                known.insert(
                    &element.id,
                    (kind_name(&element.kind), element.name.clone()),
                );
            }
        }
        let shown = row.symbols.0.iter().map(|symbol| {
            let (kind, name) = known
                .get(symbol.id.as_str())
                .cloned()
                .unwrap_or(("UNKNOWN", None));
            match symbol.role {
                Role::Process => Shown {
                    kind: "PROCESS",
                    name: row.name.clone(),
                },
                Role::Element => Shown { kind, name },
                Role::Body => Shown {
                    kind: "MULTI_INSTANCE_BODY",
                    name,
                },
                Role::Flow => Shown {
                    kind: "SEQUENCE_FLOW",
                    name: None,
                },
            }
        });
        Elements {
            shown: shown.collect(),
            version: row.version,
            process_name: row.name.clone(),
        }
    }
}

/// The tables that were asked for last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Models {
    kept: Arc<Mutex<BTreeMap<Key, Arc<Elements>>>>,
}

impl Models {
    /// The elements of a version; none are known of a version that is not there.
    pub(crate) fn of(&self, reader: &Reader, definition: Key) -> Result<Arc<Elements>, StoreError> {
        if let Some(elements) = self.kept.lock().get(&definition) {
            return Ok(Arc::clone(elements));
        }
        let Some(row) = reader.definition(definition)? else {
            return Ok(Arc::default());
        };
        let elements = Arc::new(Elements::of(&row));
        let mut kept = self.kept.lock();
        if kept.len() >= KEPT_MAX {
            kept.pop_first();
        }
        kept.insert(definition, Arc::clone(&elements));
        Ok(elements)
    }
}

fn kind_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::StartEvent { .. } => "START_EVENT",
        Kind::EndEvent { .. } => "END_EVENT",
        Kind::IntermediateCatch { .. } => "INTERMEDIATE_CATCH_EVENT",
        Kind::IntermediateThrow { .. } => "INTERMEDIATE_THROW_EVENT",
        Kind::Boundary { .. } => "BOUNDARY_EVENT",
        Kind::ServiceTask { .. } => "SERVICE_TASK",
        Kind::SendTask { .. } => "SEND_TASK",
        Kind::ScriptTask { .. } => "SCRIPT_TASK",
        Kind::UserTask(_) => "USER_TASK",
        Kind::ManualTask => "MANUAL_TASK",
        Kind::Task => "TASK",
        Kind::ReceiveTask { .. } => "RECEIVE_TASK",
        Kind::BusinessRuleTask { .. } => "BUSINESS_RULE_TASK",
        Kind::CallActivity { .. } => "CALL_ACTIVITY",
        Kind::SubProcess {
            triggered_by_event: true,
        } => "EVENT_SUB_PROCESS",
        Kind::SubProcess { .. } | Kind::Transaction { .. } => "SUB_PROCESS",
        Kind::AdHocSubProcess(_) => "AD_HOC_SUB_PROCESS",
        Kind::ExclusiveGateway => "EXCLUSIVE_GATEWAY",
        Kind::ParallelGateway => "PARALLEL_GATEWAY",
        Kind::InclusiveGateway => "INCLUSIVE_GATEWAY",
        Kind::EventBasedGateway { .. } => "EVENT_BASED_GATEWAY",
        Kind::ComplexGateway { .. } => "UNKNOWN",
    }
}
