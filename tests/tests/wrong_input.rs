//! Wrong input at a real coordinator's doors: HTTP, the workers' stream, the agents' door, and a database without room. Each gets
//! a clear error, nothing is lost, and the coordinator goes on.

use anyhow::{Context as _, ensure};
use botswain_agent::enrol::enrol;
use botswain_agent::identity::Identity;
use botswain_agent::link::{Address, Security, connect};
use botswain_proto::agent::{AgentMessage, agent_message::Body};
use botswain_proto::enrol::Facts;
use botswain_proto::ids::{Epoch, Seq};
use botswain_proto::message::{Capabilities, FromAgent, Hello};
use botswain_proto::worker::{Code, Complete, StartInstance, WorkerMessage};
use botswain_tests::harness::{Coordinator, PATIENCE, Start, Stream, Web, model, wait_for};
use serde_json::{Value, json};

const TEN_MEGABYTES: usize = 10 << 20;

/// The coordinator still does its work.
async fn goes_on(web: &Web) -> anyhow::Result<()> {
    web.deploy("good.bpmn", &model("good", "start > end"))
        .await?
        .ok();
    let body = json!({ "processDefinitionId": "good", "awaitCompletion": true });
    let ended = web.post("/v2/process-instances", &body).await?;
    ensure!(ended.status == 200, "{ended:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_http_door_names_what_is_wrong_and_goes_on() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let coordinator = Coordinator::start(folder.path())?;
    let web = Web::new(&coordinator.http)?;
    for (name, xml, parts) in [
        (
            "broken.bpmn",
            "<definitions><process id='p'>".to_owned(),
            &["broken.bpmn", "line"][..],
        ),
        ("no-xml.bpmn", "this is no XML".to_owned(), &["no-xml.bpmn"]),
        (
            "unknown.bpmn",
            model("p", "start > pick:job > end").replace("serviceTask", "telepathyTask"),
            &["unknown.bpmn", "telepathyTask"],
        ),
        (
            "feel.bpmn",
            model("p", "start > x:xor > ([a >] b:job | [else]) > y:xor > end"),
            &["feel.bpmn", "line"],
        ),
    ] {
        let detail = web.deploy(name, &xml).await?.refused(400);
        for part in parts {
            ensure!(
                detail.contains(part),
                "{name}: {part:?} is not in {detail:?}"
            );
        }
    }
    web.deploy("p.bpmn", &model("p", "start > pick:job(type=pick) > end"))
        .await?
        .ok();
    let start = |variables: Value| json!({ "processDefinitionId": "p", "variables": variables });
    for wrong in [json!([1]), json!("text"), json!(7)] {
        let detail = web
            .post("/v2/process-instances", &start(wrong))
            .await?
            .refused(400);
        ensure!(detail.contains("variables"), "{detail:?}");
    }
    let detail = web
        .post(
            "/v2/process-instances",
            &json!({ "processDefinitionId": "nobody" }),
        )
        .await?
        .refused(404);
    ensure!(detail.contains("nobody"), "{detail:?}");
    let large = web
        .post(
            "/v2/process-instances",
            &start(json!({ "large": "x".repeat(TEN_MEGABYTES) })),
        )
        .await?;
    ensure!(
        (400..500).contains(&large.status) && large.text.contains("limit"),
        "{} {}",
        large.status,
        large.text
    );
    for (path, status) in [
        ("/v2/process-instances/4711", 404),
        ("/v2/process-instances/four", 400),
        ("/v2/incidents/4711", 404),
        ("/v2/user-tasks/4711", 404),
        ("/v2/nothing/here", 404),
    ] {
        let got = web.get(path).await?;
        ensure!(got.status == status, "{path}: {got:?}");
    }
    for path in [
        "/v2/jobs/4711/completion",
        "/v2/jobs/4711/failure",
        "/v2/process-instances/4711/cancellation",
    ] {
        let got = web.post(path, &json!({})).await?;
        ensure!(
            got.status == 404 && got.text.contains("4711"),
            "{path}: {got:?}"
        );
    }
    ensure!(
        web.count("process-instances", json!({})).await? == 0,
        "a refused start left an instance"
    );
    goes_on(&web).await?;
    coordinator.stop()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_workers_stream_answers_each_wrong_item_and_goes_on() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let coordinator = Coordinator::start(folder.path())?;
    let web = Web::new(&coordinator.http)?;
    web.deploy("p.bpmn", &model("p", "start > pick:job(type=pick) > end"))
        .await?
        .ok();
    let mut stream = Stream::open(&coordinator.grpc).await?;
    let starts: [(&str, &[u8], Code, &str); 5] = [
        ("p", b"[1]", Code::InvalidArgument, "object"),
        ("p", b"{\"a\":", Code::InvalidArgument, "variables"),
        ("p", b"\xff\xfe", Code::InvalidArgument, "UTF-8"),
        ("nobody", b"{}", Code::NotFound, "nobody"),
        ("p", b"", Code::Unspecified, ""),
    ];
    for (process, variables, code, part) in starts {
        let request_id = stream.number();
        let start = StartInstance {
            request_id,
            process_id: process.to_owned(),
            variables: bytes::Bytes::copy_from_slice(variables),
            ..StartInstance::default()
        };
        let reply = stream
            .ask(
                request_id,
                WorkerMessage {
                    start: vec![start],
                    ..WorkerMessage::default()
                },
            )
            .await?;
        match (&reply.error, code) {
            (None, Code::Unspecified) => {}
            (Some(error), code) => ensure!(
                error.code() == code && error.message.to_lowercase().contains(&part.to_lowercase()),
                "{process} {variables:?}: {error:?}"
            ),
            (None, _) => anyhow::bail!("{process} {variables:?} was taken"),
        }
    }
    let request_id = stream.number();
    let complete = Complete {
        request_id,
        job_key: 4711,
        ..Complete::default()
    };
    let reply = stream
        .ask(
            request_id,
            WorkerMessage {
                complete: vec![complete],
                ..WorkerMessage::default()
            },
        )
        .await?;
    let error = reply
        .error
        .context("a job that is not there was completed")?;
    ensure!(
        error.code() == Code::NotFound && error.message.contains("4711"),
        "{error:?}"
    );

    // More than a frame may hold ends the stream with the limit, and only this stream.
    let mut large = Stream::open(&coordinator.grpc).await?;
    let start = StartInstance {
        request_id: 1,
        process_id: "p".to_owned(),
        variables: json!({ "large": "x".repeat(TEN_MEGABYTES) })
            .to_string()
            .into_bytes()
            .into(),
        ..StartInstance::default()
    };
    large
        .send(WorkerMessage {
            start: vec![start],
            ..WorkerMessage::default()
        })
        .await?;
    let refused = tokio::time::timeout(PATIENCE, async {
        loop {
            match large.next().await {
                Ok(Some(frame)) => {
                    if let Some(error) = frame.replies.into_iter().find_map(|reply| reply.error) {
                        return Some(error.message);
                    }
                }
                Ok(None) => return None,
                Err(error) => return Some(error.to_string()),
            }
        }
    })
    .await?;
    let refused = refused.context("a frame of ten megabytes was taken")?;
    eprintln!("10 MB in one frame: {refused}");
    ensure!(
        refused.contains("too large") && refused.contains("limit"),
        "{refused}"
    );
    let request_id = stream.number();
    let start = StartInstance {
        request_id,
        process_id: "p".to_owned(),
        ..StartInstance::default()
    };
    let reply = stream
        .ask(
            request_id,
            WorkerMessage {
                start: vec![start],
                ..WorkerMessage::default()
            },
        )
        .await?;
    ensure!(reply.error.is_none(), "{reply:?}");
    ensure!(
        web.count("process-instances", json!({})).await? == 2,
        "a refused start left an instance"
    );
    goes_on(&web).await?;
    coordinator.stop()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_for_a_missing_bot_waits_and_says_so() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let coordinator = Coordinator::start(folder.path())?;
    let web = Web::new(&coordinator.http)?;
    web.deploy("p.bpmn", &model("p", "start > pick:job(type=pick) > end"))
        .await?
        .ok();
    let set = web
        .put(
            "/botswain/v1/routes/pick",
            &json!({ "choices": ["bot:nobody-has-it@1"] }),
        )
        .await?;
    if set.status >= 300 {
        // Refused at once is as clear as it gets.
        ensure!(set.text.contains("nobody-has-it"), "{set:?}");
        return coordinator.stop();
    }
    let instance = web.start("p", &json!({})).await?;
    let why = wait_for("the reason", || async {
        let shown = web
            .get(&format!("/botswain/v1/instances/{instance}/waiting"))
            .await
            .ok()?;
        shown.text.contains("nobody-has-it").then_some(shown.text)
    })
    .await;
    eprintln!("{why}");
    goes_on(&web).await?;
    coordinator.stop()
}

async fn enrolled(coordinator: &Coordinator, name: &str) -> anyhow::Result<Identity> {
    let web = Web::new(&coordinator.http)?;
    let made = web
        .post("/botswain/v1/agent-tokens", &json!({}))
        .await?
        .ok();
    let token = made["token"].as_str().context("a token")?.parse()?;
    let facts = Facts {
        name: name.to_owned(),
        ..facts()
    };
    enrol(&address(coordinator)?, &token, facts).await
}

fn facts() -> Facts {
    Facts {
        name: String::new(),
        os: "linux".to_owned(),
        arch: "x86_64".to_owned(),
        version: "1".to_owned(),
        labels: Vec::new(),
    }
}

fn address(coordinator: &Coordinator) -> anyhow::Result<Address> {
    let port = coordinator
        .agents
        .rsplit(':')
        .next()
        .context("an address with a port")?;
    Ok(format!("https://localhost:{port}").parse()?)
}

/// Says something at the agents' door; the first thing that is answered, or why nothing is.
async fn say(
    coordinator: &Coordinator,
    identity: &Identity,
    message: AgentMessage,
) -> Result<String, String> {
    let address = address(coordinator).map_err(|error| error.to_string())?;
    let connection = connect(&address, Security::Mutual(identity))
        .await
        .map_err(|fault| fault.to_string())?;
    connection
        .outgoing
        .send(message)
        .await
        .map_err(|error| error.to_string())?;
    let _held = connection.outgoing.clone();
    let mut stream = connection
        .speak()
        .await
        .map_err(|fault| fault.to_string())?;
    match tokio::time::timeout(PATIENCE, stream.message()).await {
        Ok(Ok(Some(message))) => Ok(format!("{message:?}")),
        Ok(Ok(None)) => Err("the line was closed".to_owned()),
        Ok(Err(status)) => Err(format!("{:?}: {}", status.code(), status.message())),
        Err(_) => Err("nothing was answered".to_owned()),
    }
}

fn hello(name: &str) -> anyhow::Result<Hello> {
    Ok(Hello {
        agent: name.parse()?,
        boot_id: "boot".to_owned(),
        conn: 1,
        journal_id: "journal".to_owned(),
        last_seq: Seq(0),
        open: Vec::new(),
        capabilities: Capabilities {
            slots: 1,
            ..Capabilities::default()
        },
        agent_version: "1".to_owned(),
        policy_version: "1".to_owned(),
        highest_epoch: Epoch(0),
        note: String::new(),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_agents_door_knows_its_own_and_nobody_else() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let ours = Coordinator::start(&folder.path().join("ours"))?;
    let theirs = Coordinator::start(&folder.path().join("theirs"))?;
    let web = Web::new(&ours.http)?;
    let anna = enrolled(&ours, "anna").await?;
    let stranger = enrolled(&theirs, "anna").await?;
    let hello_of_anna = || {
        Ok::<_, anyhow::Error>(AgentMessage::from(FromAgent::Hello(Box::new(hello(
            "anna",
        )?))))
    };

    let welcome = say(&ours, &anna, hello_of_anna()?).await;
    ensure!(
        welcome.as_ref().is_ok_and(|answer| answer.contains("Sync")),
        "{welcome:?}"
    );

    // She trusts our server, and her certificate comes from another CA.
    let other_ca = Identity {
        ca_pem: anna.ca_pem.clone(),
        ..stranger
    };
    let refused = say(&ours, &other_ca, hello_of_anna()?).await;
    let why = refused
        .err()
        .context("a certificate of another CA was let in")?;
    eprintln!("a certificate of another CA: {why}");
    ensure!(!why.contains("nothing was answered"), "{why}");

    // A message that is none, and one that is too large: the line ends with the reason.
    for (what, message, part) in [
        ("an empty message", AgentMessage { body: None }, "message"),
        (
            "ten megabytes",
            AgentMessage::from(FromAgent::Hello(Box::new(Hello {
                note: "x".repeat(TEN_MEGABYTES),
                ..hello("anna")?
            }))),
            "",
        ),
    ] {
        let why = say(&ours, &anna, message)
            .await
            .err()
            .with_context(|| format!("{what} was taken"))?;
        eprintln!("{what}: {why}");
        ensure!(
            why.to_lowercase().contains(part) && !why.contains("nothing was answered"),
            "{what}: {why}"
        );
    }
    let first_word = AgentMessage {
        body: Some(Body::Goodbye(Default::default())),
    };
    let why = say(&ours, &anna, first_word)
        .await
        .err()
        .context("a goodbye was taken for a hello")?;
    ensure!(why.contains("Hello"), "{why}");

    let welcome = say(&ours, &anna, hello_of_anna()?).await;
    ensure!(
        welcome.is_ok(),
        "after all that the agent is welcome still: {welcome:?}"
    );
    goes_on(&web).await?;
    ours.stop()?;
    theirs.stop()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_database_refuses_what_writes_answers_what_reads_and_goes_on_with_room()
-> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let small = Start {
        config: "database_mib_max = 3\n".to_owned(),
        ..Start::default()
    };
    let coordinator = Coordinator::start_with(folder.path(), &small)?;
    let web = Web::new(&coordinator.http)?;
    web.deploy("p.bpmn", &model("p", "start > pick:job(type=pick) > end"))
        .await?
        .ok();
    let mut stream = Stream::open(&coordinator.grpc).await?;
    stream.subscribe(1, "pick", 1, 600_000).await?;
    let first = web.start("p", &json!({ "first": true })).await?;
    let job = stream.job().await?;

    let filler = "x".repeat(30_000);
    let mut told = vec![first.clone()];
    let body =
        |n: usize| json!({ "processDefinitionId": "p", "variables": { "n": n, "filler": filler } });
    let refusal = loop {
        let answered = web.post("/v2/process-instances", &body(told.len())).await?;
        if answered.status != 200 {
            break answered;
        }
        let key = answered.ok()["processInstanceKey"]
            .as_str()
            .context("a key")?
            .to_owned();
        told.push(key);
        ensure!(told.len() < 2_000, "the database takes no end");
    };
    eprintln!("full after {} instances: {refusal:?}", told.len());
    ensure!(
        refusal.status == 503 && refusal.text.contains("RESOURCE_EXHAUSTED"),
        "{refusal:?}"
    );
    ensure!(
        refusal.text.contains("database is full") && refusal.text.contains("raise the limit"),
        "no remedy: {refusal:?}"
    );

    // What reads is answered: exactly what was acknowledged is there.
    ensure!(
        web.count("process-instances", json!({})).await? == told.len() as u64,
        "reads do not agree with what was told"
    );
    web.get(&format!("/v2/process-instances/{first}"))
        .await?
        .ok();
    ensure!(
        web.get("/health").await?.status == 200,
        "the coordinator does not call itself healthy"
    );

    // Finishing is refused as clearly, on a new stream as on HTTP, and loses nothing.
    let mut stream = Stream::open(&coordinator.grpc).await?;
    let request_id = stream.number();
    let variables = json!({ "filler": filler }).to_string().into_bytes().into();
    let complete = Complete {
        request_id,
        job_key: job.key,
        fence: job.fence,
        variables,
    };
    let reply = stream
        .ask(
            request_id,
            WorkerMessage {
                complete: vec![complete],
                ..WorkerMessage::default()
            },
        )
        .await?;
    let error = reply
        .error
        .context("a completion found room in a full database")?;
    ensure!(error.code() == Code::ResourceExhausted, "{error:?}");
    coordinator.stop()?;

    let larger = Start {
        config: "database_mib_max = 16\n".to_owned(),
        ..Start::default()
    };
    let coordinator = Coordinator::start_with(folder.path(), &larger)?;
    let web = Web::new(&coordinator.http)?;
    for key in &told {
        web.get(&format!("/v2/process-instances/{key}")).await?.ok();
    }
    ensure!(
        web.count("process-instances", json!({})).await? == told.len() as u64,
        "something is there that was refused"
    );
    let done = web
        .post(&format!("/v2/jobs/{}/completion", job.key), &json!({}))
        .await?;
    ensure!(
        done.status == 204,
        "the job that could not be completed: {done:?}"
    );
    web.start("p", &json!({ "filler": filler })).await?;
    goes_on(&web).await?;
    coordinator.stop()
}
