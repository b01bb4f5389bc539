//! Searches: filters, orders, pages, and what they refuse.

use crate::door::{Door, key};
use serde_json::{Value, json};

async fn with_instances(count: usize) -> (Door, Vec<String>) {
    let door = Door::open().await;
    door.deploy("start > pick:job > end").await;
    let mut keys = Vec::new();
    for at in 0..count {
        let body = json!({ "processDefinitionId": "process", "businessId": format!("order-{at}"), "tags": ["t", format!("t{at}")] });
        keys.push(key(
            &door.post("/v2/process-instances", body).await.ok()["processInstanceKey"],
        ));
    }
    (door, keys)
}

fn keys_of(found: &Value) -> Vec<String> {
    found["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| key(&item["processInstanceKey"]))
        .collect()
}

#[tokio::test]
async fn instances_are_found_by_what_is_asked() {
    let (door, keys) = with_instances(3).await;
    door.post(
        &format!("/v2/process-instances/{}/cancellation", keys[0]),
        json!({}),
    )
    .await
    .ok();
    for (filter, expected) in [
        (json!({}), vec![0, 1, 2]),
        (json!({ "state": "active" }), vec![1, 2]),
        (json!({ "state": { "$neq": "ACTIVE" } }), vec![0]),
        (
            json!({ "state": { "$in": ["TERMINATED", "COMPLETED"] } }),
            vec![0],
        ),
        (json!({ "processInstanceKey": keys[1] }), vec![1]),
        (
            json!({ "processInstanceKey": { "$in": [keys[0], keys[2]] } }),
            vec![0, 2],
        ),
        (
            json!({ "businessId": { "$like": "order-*" } }),
            vec![0, 1, 2],
        ),
        (json!({ "businessId": { "$like": "*-1" } }), vec![1]),
        (json!({ "tags": "t2" }), vec![2]),
        (json!({ "tags": "t" }), vec![0, 1, 2]),
        (json!({ "endDate": { "$exists": true } }), vec![0]),
        (
            json!({ "startDate": { "$gt": "2020-01-01T00:00:00Z" }, "hasIncident": false }),
            vec![0, 1, 2],
        ),
        (
            json!({ "processDefinitionId": "process", "processDefinitionVersion": 1 }),
            vec![0, 1, 2],
        ),
        (json!({ "processDefinitionId": "other" }), vec![]),
        (
            json!({ "tenantId": "<default>", "businessId": null }),
            vec![0, 1, 2],
        ),
    ] {
        let found = door
            .post("/v2/process-instances/search", json!({ "filter": filter }))
            .await
            .ok();
        let expected: Vec<String> = expected
            .into_iter()
            .map(|at: usize| keys[at].clone())
            .collect();
        assert_eq!(keys_of(&found), expected, "{filter}");
        assert_eq!(found["page"]["totalItems"], expected.len());
        assert_eq!(found["page"]["hasMoreTotalItems"], false);
    }
}

#[tokio::test]
async fn pages_follow_one_another_both_ways() {
    let (door, keys) = with_instances(5).await;
    let page = |page: Value| {
        let sort = json!([{ "field": "processInstanceKey", "order": "DESC" }]);
        let body = json!({ "sort": sort, "page": page });
        let door = &door;
        async move { door.post("/v2/process-instances/search", body).await.ok() }
    };
    let first = page(json!({ "limit": 2 })).await;
    assert_eq!(keys_of(&first), [keys[4].clone(), keys[3].clone()]);
    assert_eq!(first["page"]["totalItems"], 5);
    let second = page(json!({ "limit": 2, "after": first["page"]["endCursor"] })).await;
    assert_eq!(keys_of(&second), [keys[2].clone(), keys[1].clone()]);
    let back = page(json!({ "limit": 2, "before": second["page"]["startCursor"] })).await;
    assert_eq!(keys_of(&back), keys_of(&first));
    assert_eq!(
        keys_of(&page(json!({ "from": 4, "limit": 2 })).await),
        [keys[0].clone()]
    );
}

#[tokio::test]
async fn elements_jobs_and_variables_are_found_by_their_instance() {
    let (door, keys) = with_instances(1).await;
    let elements = door
        .search(
            "element-instances",
            json!({ "processInstanceKey": keys[0] }),
        )
        .await;
    let shown: Vec<_> = elements
        .iter()
        .map(|e| format!("{} {} {}", e["elementId"], e["type"], e["state"]))
        .collect();
    assert_eq!(
        shown,
        [
            r#""start" "START_EVENT" "COMPLETED""#,
            r#""pick" "SERVICE_TASK" "ACTIVE""#
        ]
    );
    let task = key(&elements[1]["elementInstanceKey"]);
    assert_eq!(
        door.get(&format!("/v2/element-instances/{task}"))
            .await
            .ok()["elementId"],
        "pick"
    );
    let jobs = door
        .search(
            "jobs",
            json!({ "elementInstanceKey": task, "state": "CREATED", "type": "pick" }),
        )
        .await;
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0]["elementId"], "pick");
}

#[tokio::test]
async fn a_search_that_makes_no_sense_names_the_place() {
    let (door, _) = with_instances(0).await;
    for (body, part) in [
        (
            json!({ "filter": { "colour": "red" } }),
            "field 'filter.colour': this search knows processInstanceKey",
        ),
        (json!({ "filter": { "$or": [] } }), "field 'filter.$or'"),
        (
            json!({ "filter": { "state": "SLEEPING" } }),
            "field 'filter.state': expected one of the words",
        ),
        (
            json!({ "filter": { "state": { "$is": "ACTIVE" } } }),
            "field 'filter.state.$is': expected $eq",
        ),
        (
            json!({ "filter": { "processInstanceKey": "abc" } }),
            "field 'filter.processInstanceKey': expected a key",
        ),
        (
            json!({ "filter": { "startDate": { "$gt": "yesterday" } } }),
            "expected a point in time",
        ),
        (
            json!({ "filter": { "hasIncident": "maybe" } }),
            "expected true or false",
        ),
        (json!({ "filter": 7 }), "field 'filter': expected an object"),
        (
            json!({ "filter": { "tenantId": "acme" } }),
            "multi-tenancy is disabled",
        ),
        (
            json!({ "sort": [{ "field": "colour" }] }),
            "field 'sort[0].colour'",
        ),
        (
            json!({ "sort": [{ "field": "state", "order": "UP" }] }),
            "expected ASC or DESC",
        ),
        (
            json!({ "page": { "limit": 0 } }),
            "field 'page.limit': expected a whole number from 1 to 10000",
        ),
        (json!({ "page": { "limit": 10_001 } }), "field 'page.limit'"),
        (
            json!({ "page": { "after": "zz" } }),
            "does not belong to a search with this order",
        ),
        (
            json!({ "page": { "after": "a", "before": "b" } }),
            "expected one of from, after and before",
        ),
    ] {
        door.post("/v2/process-instances/search", body)
            .await
            .refused(400, part);
    }
}
