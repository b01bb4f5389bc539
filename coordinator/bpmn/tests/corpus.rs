//! Other people's models, where the corpus stands beside the checkout (`../shared/corpus`, or `BOTSWAIN_CORPUS`): read whole or
//! refused with a reason, and nothing is lost.

#![expect(
    clippy::print_stdout,
    reason = "the counts are what this test is run for"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use botswain_bpmn::{Limits, Model, Problem, read, write};
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::{NsReader, XmlVersion};

const BPMN: &str = "http://www.omg.org/spec/BPMN/20100524/MODEL";

fn corpus(folder: &str) -> Vec<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let root = std::env::var_os("BOTSWAIN_CORPUS").map_or(beside, PathBuf::from);
    let mut open = vec![root.join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                open.push(path);
            } else if [".bpmn", ".xml", ".bpmn2"]
                .iter()
                .any(|end| name.ends_with(end))
            {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// Reads every file of a folder and prints what came of it.
fn read_all(folder: &str) -> Vec<(PathBuf, Model)> {
    let mut models = Vec::new();
    let mut refused = Vec::new();
    for path in corpus(folder) {
        let bytes = fs::read(&path).expect("a file of the corpus is readable");
        match read(&bytes, &Limits::default()) {
            Ok(model) => {
                let again = read(write(&model).as_bytes(), &Limits::default());
                assert_same(&path, &model, again);
                models.push((path, model));
            }
            Err(problems) => refused.push((path, problems)),
        }
    }
    println!(
        "{folder}: {} passed / {} refused with a reason",
        models.len(),
        refused.len()
    );
    for (path, problems) in &refused {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        for problem in problems {
            println!("  {name}: {problem}");
            assert!(!problem.message.is_empty() && !problem.remedy.is_empty());
            assert!(problem.line > 0 || problem.code == "more-problems");
        }
    }
    models
}

/// Compares a model with its copy, and shows the first line of their difference.
fn assert_same(path: &Path, model: &Model, again: Result<Model, Vec<Problem>>) {
    let again = match again {
        Ok(again) => again,
        Err(problems) => panic!(
            "{} can't be read once written: {}",
            path.display(),
            problems[0]
        ),
    };
    if again != *model {
        let (before, after) = (format!("{model:#?}"), format!("{again:#?}"));
        let mut lines = before
            .lines()
            .zip(after.lines())
            .filter(|(before, after)| before != after);
        let first = lines.find(|(before, _)| {
            !["line:", "column:"]
                .iter()
                .any(|place| before.contains(place))
        });
        panic!("{} is not the same once written: {first:?}", path.display());
    }
}

#[test]
fn models_for_zeebe_are_read() {
    no_loss(&read_all("models/zeebe"));
}

#[test]
fn models_of_other_engines_are_read_or_refused_with_a_reason() {
    no_loss(&read_all("models/other-engines"));
}

#[test]
fn conformance_models_are_read() {
    no_loss(&read_all("conformance"));
}

#[test]
fn interchange_models_are_read_without_loss() {
    let files = corpus("models/miwg").len();
    let models = read_all("models/miwg");
    assert_eq!(
        models.len(),
        files,
        "all of the interchange models are read"
    );
    for (path, model) in &models {
        let found = facts(&fs::read(path).expect("a file of the corpus is readable"));
        let count = |names: &[&str]| -> usize {
            names
                .iter()
                .map(|name| found.get(*name).copied().unwrap_or_default())
                .sum()
        };
        let kept: usize = model
            .diagrams
            .iter()
            .map(|diagram| diagram.shapes().count())
            .sum();
        assert_eq!(
            kept,
            count(&["DI BPMNShape"]),
            "shapes of {}",
            path.display()
        );
        let kept: usize = model
            .diagrams
            .iter()
            .map(|diagram| diagram.edges().count())
            .sum();
        assert_eq!(kept, count(&["DI BPMNEdge"]), "edges of {}", path.display());
        let kept: usize = model
            .processes
            .iter()
            .map(|process| process.flows.len())
            .sum();
        assert_eq!(
            kept,
            count(&["MODEL sequenceFlow"]),
            "flows of {}",
            path.display()
        );
        let kept: usize = model
            .processes
            .iter()
            .map(|process| process.elements.len())
            .sum();
        let nodes = found
            .iter()
            .filter(|(name, _)| is_flow_node(name))
            .map(|(_, count)| count)
            .sum::<usize>();
        assert_eq!(kept, nodes, "elements of {}", path.display());
    }
    no_loss(&models);
}

fn is_flow_node(fact: &str) -> bool {
    let Some(name) = fact
        .strip_prefix("MODEL ")
        .filter(|name| !name.contains(['@', ' ']))
    else {
        return false;
    };
    let global = name.starts_with("global") || name == "implicitThrowEvent";
    !global
        && (name.ends_with("Task")
            || name.ends_with("Event")
            || name.ends_with("Gateway")
            || [
                "task",
                "callActivity",
                "subProcess",
                "transaction",
                "adHocSubProcess",
            ]
            .contains(&name))
}

/// Compares every element, attribute and text of a file with what is written from its model.
fn no_loss(models: &[(PathBuf, Model)]) {
    let mut lost: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, model) in models {
        let before = facts(&fs::read(path).expect("a file of the corpus is readable"));
        let after = facts(write(model).as_bytes());
        for (fact, count) in before {
            if after.get(&fact).copied().unwrap_or_default() < count && !is_said_otherwise(&fact) {
                lost.entry(fact).or_default().push(
                    path.file_name()
                        .unwrap_or_default()
                        .to_string_lossy()
                        .into_owned(),
                );
            }
        }
    }
    assert!(lost.is_empty(), "{} facts are lost: {lost:#?}", lost.len());
}

/// What the model says in another way than the file: defaults, names of types, containers without content; and the attributes of
/// expressions, which have no meaning beside their text.
fn is_said_otherwise(fact: &str) -> bool {
    const DEFAULTS: [&str; 17] = [
        "isCollection=false",
        "eventGatewayType=Exclusive",
        "instantiate=false",
        "testBefore=false",
        "isSequential=false",
        "cancelActivity=true",
        "parallelMultiple=false",
        "waitForCompletion=true",
        "behavior=All",
        "isInterrupting=true",
        "triggeredByEvent=false",
        "bindingType=latest",
        "propagateAllChildVariables=true",
        "propagateAllParentVariables=true",
        "completionQuantity=1",
        "startQuantity=1",
        "isForCompensation=false",
    ];
    const WORDS: [&str; 7] = [
        "loopCardinality@ id=",
        "@XMLSchema-instance type=",
        "MODEL conditionExpression@",
        "MODEL timeDuration@",
        "@ evaluatesToTypeRef=",
        "MODEL extensionElements",
        "@ processIdExpression=",
    ];
    const EMPTY: [&str; 4] = [
        "1.0 input@ source=",
        "MODEL condition",
        "MODEL conditionExpression",
        "1.0 taskHeaders",
    ];
    DEFAULTS.iter().any(|default| fact.ends_with(default))
        || WORDS.iter().any(|word| fact.contains(word))
        || EMPTY.contains(&fact)
}

/// Counts elements, attributes with their values, and texts.
fn facts(bytes: &[u8]) -> BTreeMap<String, usize> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    };
    let mut reader = NsReader::from_str(text.trim_start_matches('\u{feff}'));
    reader.config_mut().expand_empty_elements = true;
    let mut facts = BTreeMap::new();
    let mut open: Vec<(String, String)> = Vec::new();
    loop {
        match reader.read_event().expect("the corpus is XML") {
            Event::Start(start) => {
                let name = element_facts(&reader, &start, &mut facts);
                *facts.entry(name.clone()).or_default() += 1;
                open.push((name, String::new()));
            }
            Event::End(_) => {
                let (name, text) = open.pop().expect("the corpus is XML");
                if !text.trim().is_empty() {
                    *facts
                        .entry(format!("{name} {}", spaced(&text)))
                        .or_default() += 1;
                }
            }
            Event::Text(text) => push(&mut open, &text.xml10_content()),
            Event::CData(text) => push(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) => {
                match reference.resolve_char_ref().expect("the corpus is XML") {
                    Some(c) => push(&mut open, &c.to_string()),
                    None => push(
                        &mut open,
                        quick_xml::escape::resolve_predefined_entity(&reference)
                            .unwrap_or_default(),
                    ),
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    facts
}

/// Leaves out the space around a value and behind FEEL's `=`, which means nothing.
fn spaced(value: &str) -> String {
    let value = value.trim();
    value
        .strip_prefix('=')
        .map_or_else(|| value.to_owned(), |feel| format!("={}", feel.trim()))
}

fn push(open: &mut [(String, String)], text: &str) {
    if let Some((_, so_far)) = open.last_mut() {
        so_far.push_str(text);
    }
}

fn element_facts(
    reader: &NsReader<&[u8]>,
    start: &BytesStart<'_>,
    facts: &mut BTreeMap<String, usize>,
) -> String {
    let name = named(reader.resolver().resolve_element(start.name()));
    for attribute in start.attributes() {
        let attribute = attribute.expect("the corpus is XML");
        if attribute.key.as_namespace_binding().is_some() {
            continue;
        }
        let key = named(reader.resolver().resolve_attribute(attribute.key));
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .expect("the corpus is XML");
        let value = value
            .parse::<f64>()
            .map_or_else(|_| value.trim().to_owned(), |number| number.to_string());
        *facts
            .entry(format!("{name}@{key}={}", spaced(&value)))
            .or_default() += 1;
    }
    name
}

fn named((namespace, local): (ResolveResult<'_>, quick_xml::name::LocalName<'_>)) -> String {
    let uri = match namespace {
        ResolveResult::Bound(namespace) => namespace.0,
        ResolveResult::Unbound | ResolveResult::Unknown(_) => "",
    };
    let short = if uri == BPMN {
        "MODEL"
    } else {
        uri.trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default()
    };
    format!("{short} {}", local.as_ref())
}
