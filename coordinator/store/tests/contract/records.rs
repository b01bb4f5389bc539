//! The contract for what the runtime writes, for large values and for the retention.

use super::*;

pub(super) fn instances_with_work_left_over_are_found_after_a_restart<S: Store>(mut b: Backend<S>) {
    let left = |todo| (0, Event::Continued { todo });
    let some = vec![botswain_engine::event::Todo::Check {
        segment: 0,
        scope: key(1),
    }];
    let mut batch = b.batch();
    for n in 1..=4 {
        batch.record(key(n), key(7), 5, &[start(), left(some.clone())]);
    }
    batch.record(key(2), key(7), 5, &[left(Vec::new())]);
    b.commit(&batch);
    let mut next = b.batch();
    next.record(key(3), key(7), 6, &[left(Vec::new())]);
    next.record(
        key(4),
        key(7),
        6,
        &[(0, Event::InstanceEnded { completed: false })],
    );
    b.commit(&next);
    assert_eq!(b.store.recover(PART).unwrap().continuations, [key(1)]);
}

pub(super) fn the_rows_of_the_runtime_are_put_replaced_and_deleted<S: Store>(mut b: Backend<S>) {
    let definition = DefinitionRow {
        key: key(7),
        process_id: "order".into(),
        version: 1,
        version_tag: Some("v1".into()),
        name: Some("Order".to_owned()),
        resource_name: "order.bpmn".to_owned(),
        digest: Digest::of(b"<xml/>"),
        xml: b"<xml/>".to_vec(),
        symbols: Symbols(vec![
            Name {
                id: "order".into(),
                role: Role::Process,
            },
            Name {
                id: "pay".into(),
                role: Role::Element,
            },
        ]),
        deployed_at: 3,
    };
    let agent = AgentRow {
        id: "desk-1".into(),
        serial: "01".to_owned(),
        fingerprint: Digest::of(b"certificate"),
        labels: r#"{"room":"12"}"#.to_owned(),
        enrolled_at: 4,
        revoked_at: None,
        capabilities: None,
        seen_at: None,
    };
    let token = EnrolmentTokenRow {
        digest: Digest::of(b"token"),
        expires_at: 99,
        uses_left: 1,
        scope: "{}".to_owned(),
    };
    let package = PackageRow {
        digest: Digest::of(b"zip"),
        name: "crm".into(),
        version: "1".into(),
        bytes: b"zip".to_vec(),
        pushed_at: 5,
    };
    let route = |version, json: Option<&str>| RouteRow {
        job_type: "crm.add".into(),
        version,
        json: json.map(str::to_owned),
        at: 6,
        by: "ann".to_owned(),
    };
    let attempt = AttemptRow {
        id: Uuid::from_u128(77),
        job: key(12),
        root: key(1),
        job_type: "crm.add".into(),
        fence: 1,
        leg: LegKind::Bot,
        leg_name: "crm@1".into(),
        holder: "desk-1".into(),
        state: AttemptState::Offered,
        offered_at: 7,
        started_at: None,
        ended_at: None,
        outcome: None,
        message: None,
        warnings: None,
        details: String::new(),
        happened: None,
    };
    let evidence = EvidenceRow {
        attempt: attempt.id,
        name: "before.png".to_owned(),
        media_type: "image/png".into(),
        size: 3,
        digest: Digest::of(b"png"),
        at: 8,
    };
    let reply = DeduplicationRow {
        id: Uuid::from_u128(5),
        reply: vec![1, 2],
        at: 9,
    };
    let audit = AuditRow {
        key: key(30),
        at: 10,
        who: "ann".to_owned(),
        what: "route.set".into(),
        subject: "crm.add".to_owned(),
        details: Some("{}".to_owned()),
    };
    let mut batch = b.batch();
    batch.put(Put::Definition(Box::new(definition.clone())));
    batch.put(Put::Agent(agent.clone()));
    batch.put(Put::EnrolmentToken(token.clone()));
    batch.put(Put::Package(package.clone()));
    batch.put(Put::Route(route(1, Some("{}"))));
    batch.put(Put::Attempt(Box::new(attempt.clone())));
    batch.put(Put::Evidence(evidence.clone()));
    batch.put(Put::Deduplication(reply.clone()));
    batch.put(Put::Audit(audit));
    b.commit(&batch);
    let ended = AttemptRow {
        state: AttemptState::Ended,
        started_at: Some(8),
        ended_at: Some(9),
        outcome: Some(AttemptOutcome::Unknown),
        message: Some("power cut".to_owned()),
        warnings: Some("[]".to_owned()),
        details: "{}".to_owned(),
        happened: Some(Happened::Unknown),
        ..attempt.clone()
    };
    let revoked = AgentRow {
        revoked_at: Some(11),
        ..agent
    };
    let mut next = b.batch();
    next.put(Put::Attempt(Box::new(ended.clone())));
    next.put(Put::Agent(revoked.clone()));
    next.put(Put::Route(route(2, None)));
    b.commit(&next);
    assert_eq!(
        b.store.definition(key(7)).unwrap(),
        Some(definition.clone())
    );
    assert_eq!(b.store.definitions(None, 9).unwrap(), [definition]);
    assert!(b.store.definitions(Some(key(7)), 9).unwrap().is_empty());
    assert_eq!(b.store.agents().unwrap(), [revoked]);
    assert_eq!(
        b.store.enrolment_token(token.digest).unwrap(),
        Some(token.clone())
    );
    assert_eq!(
        b.store.packages().unwrap(),
        [PackageRow {
            bytes: Vec::new(),
            ..package.clone()
        }]
    );
    assert_eq!(
        b.store.package(package.digest).unwrap(),
        Some(package.clone())
    );
    assert_eq!(b.store.routes().unwrap(), [route(2, None)]);
    assert_eq!(
        b.store.attempt(PART, attempt.id).unwrap(),
        Some(ended.clone())
    );
    assert_eq!(b.store.attempts(key(12)).unwrap(), [ended]);
    assert_eq!(b.store.evidence(PART, attempt.id).unwrap(), [evidence]);
    assert_eq!(b.store.reply(PART, reply.id).unwrap(), Some(reply.clone()));
    let mut gone = b.batch();
    gone.delete(Delete::Deduplication(reply.id));
    gone.delete(Delete::EnrolmentToken(token.digest));
    gone.delete(Delete::Package(package.digest));
    b.commit(&gone);
    assert_eq!(b.store.reply(PART, reply.id).unwrap(), None);
    assert_eq!(b.store.enrolment_token(token.digest).unwrap(), None);
    assert_eq!(b.store.package(package.digest).unwrap(), None);
}

pub(super) fn a_large_value_is_kept_whole<S: Store>(mut b: Backend<S>) {
    let root = key(1);
    let large = "y".repeat(20_000);
    let set = |scope, name: &str| {
        let text = format!(r#"{{"{name}":"{large}"}}"#);
        (
            0,
            Event::VariablesSet {
                scope,
                variables: variables(&text),
            },
        )
    };
    let mut batch = b.batch();
    batch.record(
        root,
        key(7),
        5,
        &[
            start(),
            enter(root, key(2)),
            set(root, "a"),
            set(key(2), "b"),
        ],
    );
    b.commit(&batch);
    assert_eq!(b.dump().matches(&large).count(), 2);
    let mut small = b.batch();
    small.record(
        root,
        key(7),
        6,
        &[(
            0,
            Event::VariablesSet {
                scope: root,
                variables: variables(r#"{"a":1}"#),
            },
        )],
    );
    b.commit(&small);
    assert!(
        b.dump().contains(r#"name: "a", value: 1 "#),
        "{}",
        b.dump().len()
    );
    let loaded = b
        .store
        .load_segment(SegmentId::root(root))
        .unwrap()
        .unwrap();
    let segment = rebuild(SegmentId::root(root), &loaded, None).unwrap();
    assert_eq!(
        segment
            .token(key(2))
            .unwrap()
            .variables()
            .get("b")
            .unwrap()
            .as_str()
            .len(),
        20_002
    );
}

pub(super) fn pruning_takes_ended_instances_in_slices_and_leaves_the_rest<S: Store>(
    mut b: Backend<S>,
) {
    let over = |completed| (0, Event::InstanceEnded { completed });
    for n in 1..=4 {
        let mut batch = b.batch();
        let (root, token) = (key(n), key(n + 10));
        let left = (
            0,
            Event::TokenLeft {
                token,
                completed: true,
            },
        );
        batch.record(
            root,
            key(7),
            10 * n.cast_signed(),
            &[start(), enter(root, token)],
        );
        if n < 4 {
            batch.record(root, key(7), 10 * n.cast_signed(), &[left, over(true)]);
        }
        let (id, at) = (Uuid::from_u128(u128::from(n)), 10 * n.cast_signed());
        batch.put(Put::Deduplication(DeduplicationRow {
            id,
            reply: Vec::new(),
            at,
        }));
        b.commit(&batch);
    }
    let pruned = b.store.prune(PART, b.epoch, 30, 1).unwrap();
    assert_eq!((pruned.instances, pruned.replies), (1, 1));
    assert_eq!(b.store.instance(key(1)).unwrap(), None);
    assert_eq!(b.store.element(key(11)).unwrap(), None);
    assert_eq!(b.store.load_segment(SegmentId::root(key(1))).unwrap(), None);
    let pruned = b.store.prune(PART, b.epoch, 30, 9).unwrap();
    assert_eq!(
        (pruned.instances, pruned.replies),
        (1, 1),
        "what ended at 30 is not before 30"
    );
    assert_eq!(b.store.prune(PART, b.epoch, 30, 9).unwrap().instances, 0);
    assert!(b.store.instance(key(3)).unwrap().is_some());
    let later = b.store.prune(PART, b.epoch, 1_000, 9).unwrap();
    assert_eq!(
        (later.instances, later.replies),
        (1, 2),
        "a running instance is never pruned"
    );
    assert!(
        b.store
            .load_segment(SegmentId::root(key(4)))
            .unwrap()
            .is_some()
    );
}
