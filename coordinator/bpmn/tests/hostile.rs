//! Files made to do harm: nothing panics, nothing takes long, nothing takes memory without bound.

use std::time::{Duration, Instant};

use botswain_bpmn::{Limits, Model, Problem, parse, read, write};
use proptest::prelude::*;

const HEAD: &str = "<b:definitions xmlns:b='http://www.omg.org/spec/BPMN/20100524/MODEL' xmlns:zeebe='http://camunda.org/schema/zeebe/1.0' \
    xmlns:d='http://www.omg.org/spec/BPMN/20100524/DI' xmlns:dc='http://www.omg.org/spec/DD/20100524/DC'>";

/// A file that has something of everything, to be mutilated.
const SEED: &str = include_str!("../fuzz/seeds/read/everything.bpmn");

/// Reads with a generous bound on time: unoptimized code on a busy machine, against hours where something is quadratic.
fn timed(xml: &str) -> Result<Model, Vec<Problem>> {
    let begin = Instant::now();
    let result = read(
        xml.as_bytes(),
        &Limits {
            bytes_max: 64 * 1024 * 1024,
            ..Limits::default()
        },
    );
    assert!(
        begin.elapsed() < Duration::from_secs(30),
        "{:?}",
        begin.elapsed()
    );
    result
}

fn codes(result: Result<Model, Vec<Problem>>) -> Vec<&'static str> {
    result
        .err()
        .unwrap_or_default()
        .iter()
        .map(|problem| problem.code)
        .collect()
}

#[test]
fn the_seed_is_a_good_model() {
    let model = read(SEED.as_bytes(), &Limits::default());
    assert_eq!(model.as_ref().err(), None);
    let model = model.expect("the seed is a good model");
    assert_eq!(
        read(write(&model).as_bytes(), &Limits::default()),
        Ok(model)
    );
}

#[test]
fn the_seeds_of_the_notation_are_processes() {
    for seed in [
        include_str!("../fuzz/seeds/notation/branches"),
        include_str!("../fuzz/seeds/notation/conditions"),
        include_str!("../fuzz/seeds/notation/arguments"),
    ] {
        assert_eq!(parse(seed).err(), None);
    }
}

#[test]
fn a_model_nests_as_deep_as_the_limit() {
    let limits = Limits {
        depth_max: 2_000,
        ..Limits::default()
    };
    let nested = |open: &str, close: &str, count: usize| {
        format!(
            "{HEAD}<b:process id='p'>{}{}</b:process></b:definitions>",
            open.repeat(count),
            close.repeat(count)
        )
    };
    let numbered = |count: usize| {
        (0..count)
            .map(|at| format!("<b:subProcess id='s{at}'>"))
            .collect::<String>()
    };
    let deep = format!(
        "{HEAD}<b:process id='p'>{}{}</b:process></b:definitions>",
        numbered(1_990),
        "</b:subProcess>".repeat(1_990)
    );
    let model = read(deep.as_bytes(), &limits).expect("sub-processes nest");
    assert_eq!(model.processes[0].elements.len(), 1_990);
    assert_eq!(read(write(&model).as_bytes(), &limits), Ok(model));

    let extension = nested("<zeebe:x>", "</zeebe:x>", 250).replacen(
        "<zeebe:x>",
        "<b:extensionElements><zeebe:x>",
        1,
    );
    let extension = extension.replace("</b:process>", "</b:extensionElements></b:process>");
    let model = read(extension.as_bytes(), &limits).expect("extension elements nest");
    assert_eq!(read(write(&model).as_bytes(), &limits), Ok(model));

    let lanes = nested("<b:laneSet><b:lane>", "</b:lane></b:laneSet>", 120);
    let lanes = lanes
        .replace("<b:lane><b:laneSet>", "<b:lane><b:childLaneSet>")
        .replace("</b:laneSet></b:lane>", "</b:childLaneSet></b:lane>");
    let model = read(lanes.as_bytes(), &limits).expect("lanes nest");
    assert_eq!(read(write(&model).as_bytes(), &limits), Ok(model));

    assert_eq!(
        codes(read(deep.as_bytes(), &Limits::default())),
        ["too-deep"]
    );
    let bottomless = format!(
        "{HEAD}{}{}</b:definitions>",
        "<x>".repeat(90_000),
        "</x>".repeat(90_000)
    );
    assert_eq!(
        codes(read(
            bottomless.as_bytes(),
            &Limits {
                depth_max: usize::MAX,
                ..Limits::default()
            }
        )),
        ["too-deep"]
    );
}

#[test]
fn a_file_of_attributes_takes_no_longer_than_its_size() {
    let attributes: String = (0..250)
        .map(|at| format!(" attribute-with-a-long-name-{at:03}=''"))
        .collect();
    let xml = format!(
        "{HEAD}{}</b:definitions>",
        format!("<zeebe:x{attributes}/>").repeat(1_000)
    );
    assert!(timed(&xml).is_ok());
}

#[test]
fn a_file_of_prefixes_takes_no_longer_than_its_size() {
    let prefixes: String = (0..240)
        .map(|at| format!(" xmlns:p{at:03}='u{at}'"))
        .collect();
    let children = "<p000:x p001:a='' p002:a='' p003:a=''/>".repeat(20_000);
    assert!(
        timed(&format!(
            "{HEAD}<zeebe:x{prefixes}>{children}</zeebe:x></b:definitions>"
        ))
        .is_ok()
    );
    let changing: String = (0..20_000)
        .map(|at| format!("<zeebe:x xmlns:q='v{at}' q:a=''/>"))
        .collect();
    assert!(timed(&format!("{HEAD}{changing}</b:definitions>")).is_ok());
}

#[test]
fn ids_that_are_taken_do_not_slow_down_those_that_are_made() {
    let taken: String = (0..20_000)
        .map(|at| format!("<b:task id='sequenceFlow_{at}'/>"))
        .collect();
    let made =
        "<b:sequenceFlow sourceRef='sequenceFlow_0' targetRef='sequenceFlow_1'/>".repeat(20_000);
    let model = timed(&format!(
        "{HEAD}<b:process id='p'>{taken}{made}</b:process></b:definitions>"
    ))
    .expect("flows need no id");
    assert_eq!(model.processes[0].flows.len(), 20_000);
}

#[test]
fn an_event_definition_by_reference_is_not_copied_without_bound() {
    let long = "x".repeat(1_000_000);
    let refers = |at: usize| {
        format!(
            "<b:endEvent id='e{at}'><b:eventDefinitionRef>t</b:eventDefinitionRef></b:endEvent>"
        )
    };
    let xml = format!(
        "{HEAD}<b:timerEventDefinition id='t'><b:timeDate>{long}</b:timeDate></b:timerEventDefinition><b:process id='p'>{}</b:process></b:definitions>",
        (0..1_000).map(refers).collect::<String>()
    );
    let problems = timed(&xml).err().unwrap_or_default();
    assert_eq!(problems[0].code, "too-large");
}

#[test]
fn a_long_id_is_not_repeated_in_every_problem() {
    let long = "x".repeat(1_000_000);
    let mappings = "<zeebe:input source='1'/>".repeat(1_000);
    let xml = format!(
        "{HEAD}<b:process id='p'><b:task id='{long}'><b:extensionElements><zeebe:ioMapping>{mappings}</zeebe:ioMapping></b:extensionElements></b:task></b:process></b:definitions>"
    );
    let problems = timed(&xml).err().unwrap_or_default();
    let length: usize = problems
        .iter()
        .map(|problem| problem.to_string().len())
        .sum();
    assert!(
        problems.len() == 101 && length < 100_000,
        "{} problems, {length} bytes",
        problems.len()
    );
}

/// What happens to a file: bytes are cut, doubled, replaced, or moved.
#[derive(Debug, Clone)]
enum Cut {
    Remove { at: usize, len: usize },
    Repeat { at: usize, len: usize },
    Replace { at: usize, with: String },
    Truncate { at: usize },
}

fn cut() -> impl Strategy<Value = Cut> {
    let pieces = prop::sample::select(vec![
        "<",
        ">",
        "/",
        "\"",
        "'",
        "=",
        "&",
        "&amp;",
        "&#0;",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<?x",
        "xmlns=\"\"",
        "id=\"a\"",
        "\u{0}",
        "\u{FEFF}",
        "é",
        "<bpmn:task id=\"a\"/>",
        "</bpmn:process>",
        "<bpmn:subProcess id=\"z\">",
        " ",
        "-1",
        "1e999",
        "true",
        "ref",
    ]);
    prop_oneof![
        (any::<usize>(), 0..200usize).prop_map(|(at, len)| Cut::Remove { at, len }),
        (any::<usize>(), 0..200usize).prop_map(|(at, len)| Cut::Repeat { at, len }),
        (any::<usize>(), pieces).prop_map(|(at, with)| Cut::Replace {
            at,
            with: with.to_owned()
        }),
        any::<usize>().prop_map(|at| Cut::Truncate { at }),
    ]
}

fn mutilated(seed: &str, cuts: &[Cut]) -> Vec<u8> {
    let mut bytes = seed.as_bytes().to_vec();
    for cut in cuts {
        if bytes.is_empty() {
            break;
        }
        let size = bytes.len();
        let range = |at: usize, len: usize| (at % size)..(at % size + len).min(size);
        match cut {
            Cut::Remove { at, len } => drop(bytes.drain(range(*at, *len))),
            Cut::Repeat { at, len } => {
                let piece = bytes[range(*at, *len)].to_vec();
                let place = at % size;
                bytes.splice(place..place, piece);
            }
            Cut::Replace { at, with } => drop(bytes.splice(range(*at, 1), with.bytes())),
            Cut::Truncate { at } => bytes.truncate(at % size),
        }
    }
    bytes
}

/// Two thousand cases, or as many as `PROPTEST_CASES` says.
fn config() -> ProptestConfig {
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_some() {
        config
    } else {
        ProptestConfig {
            cases: 2_000,
            ..config
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_mutilated_file_is_read_and_written_or_refused_with_a_place(cuts in prop::collection::vec(cut(), 1..6)) {
        let bytes = mutilated(SEED, &cuts);
        match read(&bytes, &Limits::default()) {
            Ok(model) => {
                let written = write(&model);
                let again = read(written.as_bytes(), &Limits::default());
                prop_assert_eq!(again, Ok(model), "{}", written);
            }
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                for problem in problems {
                    prop_assert!(!problem.message.is_empty() && !problem.remedy.is_empty());
                    prop_assert!(problem.line > 0 || problem.code == "more-problems");
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(read(&bytes, &Limits::default()));
    }

    #[test]
    fn any_text_is_a_process_or_refused_with_a_place(text in "[a-z:>|()\\[\\]{};,@=\" \n.-]{0,60}") {
        if let Err(problem) = parse(&text) {
            prop_assert!(problem.line > 0 && problem.column > 0);
        }
    }
}
