//! The CRM seen from outside: by a clerk's browser and by a caller of its API.

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

struct Office {
    crm: Crm,
    client: Client,
    cookie: String,
    _folder: TempDir,
}

impl Office {
    async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    async fn open_with(change: impl FnOnce(&mut Options)) -> Self {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::in_folder(folder.path());
        change(&mut options);
        let crm = Crm::start(options).await.unwrap();
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        Self {
            crm,
            client,
            cookie: String::new(),
            _folder: folder,
        }
    }

    async fn logged_in() -> Self {
        let mut office = Self::open().await;
        let Credentials { user, password, .. } = office.crm.credentials().clone();
        let answer = office
            .submit(
                "/login",
                &[("user", &user), ("password", &password), ("next", "")],
            )
            .await;
        assert_eq!(location(&answer), "/customers");
        let cookie = answer.headers()[SET_COOKIE].to_str().unwrap();
        assert!(cookie.contains("HttpOnly"), "{cookie}");
        office.cookie = cookie.split(';').next().unwrap().to_owned();
        office
    }

    async fn page(&self, path: &str) -> Response {
        let request = self
            .client
            .get(format!("{}{path}", self.crm.url()))
            .header(COOKIE, &self.cookie);
        request.send().await.unwrap()
    }

    async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let form = Url::parse_with_params("http://form/", fields)
            .unwrap()
            .query()
            .unwrap()
            .to_owned();
        let request = self
            .client
            .post(format!("{}{path}", self.crm.url()))
            .header(COOKIE, &self.cookie);
        request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
            .send()
            .await
            .unwrap()
    }

    async fn enter(&self, name: &str, email: &str, reference: &str) -> Response {
        let fields = [
            ("name", name),
            ("email", email),
            ("phone", ""),
            ("customerType", "private"),
            ("reference", reference),
        ];
        self.submit("/customers", &fields).await
    }

    fn api(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self
            .client
            .request(method, format!("{}{path}", self.crm.url()));
        request.bearer_auth(&self.crm.credentials().api_token)
    }

    async fn post(&self, key: Option<&str>, body: &Value) -> (StatusCode, Value) {
        let mut request = self.api(Method::POST, "/api/customers").json(body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        answer(request).await
    }
}

fn location(response: &Response) -> &str {
    response.headers()[LOCATION].to_str().unwrap()
}

async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

fn ada(reference: &str) -> Value {
    json!({"name": "Ada Lovelace", "email": "ada@example.com", "reference": reference})
}

fn outcomes(crm: &Crm) -> Vec<AttemptOutcome> {
    crm.records()
        .unwrap()
        .attempts
        .into_iter()
        .map(|attempt| attempt.outcome)
        .collect()
}

#[tokio::test]
async fn a_stranger_is_sent_to_the_login_page() {
    let office = Office::open().await;
    for path in ["/customers", "/customers/C-100001"] {
        assert_eq!(location(&office.page(path).await), "/login", "{path}");
    }
    assert_eq!(
        location(&office.page("/customers/new").await),
        "/login?next=/customers/new"
    );
    assert_eq!(
        location(&office.enter("Ada Lovelace", "ada@example.com", "r").await),
        "/login"
    );
    assert_eq!(office.crm.records().unwrap(), Records::default());
}

#[tokio::test]
async fn a_wrong_password_opens_no_session() {
    let office = Office::open().await;
    let answer = office
        .submit("/login", &[("user", "clerk"), ("password", "guess")])
        .await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(!answer.headers().contains_key(SET_COOKIE));
    assert!(
        answer
            .text()
            .await
            .unwrap()
            .contains("User name or password is wrong.")
    );
}

#[tokio::test]
async fn the_login_leads_to_pages_of_the_application_only() {
    let office = Office::open().await;
    let Credentials { user, password, .. } = office.crm.credentials().clone();
    for (next, expected) in [
        ("/customers/new", "/customers/new"),
        ("https://elsewhere.example", "/customers"),
    ] {
        let answer = office
            .submit(
                "/login",
                &[("user", &user), ("password", &password), ("next", next)],
            )
            .await;
        assert_eq!(location(&answer), expected);
    }
}

#[tokio::test]
async fn a_clerk_enters_a_customer_and_reads_the_number_on_the_confirmation_page() {
    let office = Office::logged_in().await;
    let answer = office
        .enter("Ada Lovelace", "ada@example.com", "ONB-1")
        .await;
    assert_eq!(location(&answer), "/customers/C-100001/created");
    let page = office
        .page("/customers/C-100001/created")
        .await
        .text()
        .await
        .unwrap();
    assert!(
        page.contains(r#"<strong id="customer-number">C-100001</strong>"#),
        "{page}"
    );
    let records = office.crm.records().unwrap();
    assert_eq!(records.customers[0].door, Door::Web);
    assert_eq!(records.customers[0].reference, "ONB-1");
    assert_eq!(outcomes(&office.crm), [AttemptOutcome::Created]);
}

#[tokio::test]
async fn a_wrong_form_comes_back_with_its_errors_and_what_was_typed() {
    let office = Office::logged_in().await;
    let answer = office.enter("A", "ada@", "ONB-1").await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let page = answer.text().await.unwrap();
    assert!(page.contains("Please enter the full name"), "{page}");
    assert!(
        page.contains("Please enter a valid e-mail address"),
        "{page}"
    );
    assert!(page.contains(r#"value="ada@""#), "{page}");
    assert_eq!(outcomes(&office.crm), [AttemptOutcome::Invalid]);
}

#[tokio::test]
async fn an_email_address_belongs_to_one_customer_whatever_the_door_and_the_case() {
    let office = Office::logged_in().await;
    office
        .enter("Ada Lovelace", "ada@example.com", "ONB-1")
        .await;
    let page = office
        .enter("Ada Byron", "ADA@example.com", "ONB-2")
        .await
        .text()
        .await
        .unwrap();
    assert!(page.contains("exists already: C-100001"), "{page}");
    let (status, body) = office.post(None, &ada("ONB-3")).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(body["error"]["code"], "duplicate_email");
    assert_eq!(body["error"]["number"], "C-100001");
    use AttemptOutcome::{Created, Duplicate};
    assert_eq!(outcomes(&office.crm), [Created, Duplicate, Duplicate]);
}

#[tokio::test]
async fn the_list_finds_customers_by_name_number_and_reference() {
    let office = Office::logged_in().await;
    office
        .enter("Ada Lovelace", "ada@example.com", "ONB-1")
        .await;
    office
        .enter("Grace Hopper", "grace@example.com", "ONB_2")
        .await;
    for (query, hit, miss) in [
        ("lovelace", "ada@example.com", "grace@example.com"),
        ("C-100002", "grace@example.com", "ada@example.com"),
        ("B_2", "grace@example.com", "ada@example.com"),
    ] {
        let page = office
            .page(&format!("/customers?q={query}"))
            .await
            .text()
            .await
            .unwrap();
        assert!(
            page.contains(hit) && !page.contains(miss),
            "{query}: {page}"
        );
    }
    let page = office
        .page("/customers?q=nobody")
        .await
        .text()
        .await
        .unwrap();
    assert!(page.contains("No customer found."), "{page}");
}

#[tokio::test]
async fn the_list_is_read_page_by_page() {
    let office = Office::logged_in().await;
    for n in 0..26 {
        let email = format!("customer{n}@example.com");
        office
            .post(None, &json!({"name": "Some Customer", "email": email}))
            .await;
    }
    let first = office.page("/customers").await.text().await.unwrap();
    assert!(
        first.contains("26 customers")
            && first.contains("Page 1 of 2")
            && first.contains("C-100026")
    );
    let second = office.page("/customers?page=1").await.text().await.unwrap();
    assert!(
        second.contains("C-100001")
            && !second.contains("C-100026")
            && second.contains("Previous page")
    );
}

#[tokio::test]
async fn a_session_ends_with_the_logout() {
    let office = Office::logged_in().await;
    assert_eq!(
        location(&office.submit("/logout", &[("x", "")]).await),
        "/login"
    );
    assert_eq!(location(&office.page("/customers").await), "/login");
}

#[tokio::test]
async fn the_api_refuses_a_caller_without_the_token() {
    let office = Office::open().await;
    let url = format!("{}/api/customers", office.crm.url());
    for request in [
        office.client.post(&url),
        office.client.post(&url).bearer_auth("guess"),
    ] {
        let (status, body) = answer(request.json(&ada("ONB-1"))).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(body["error"]["code"], "unauthorized");
    }
    assert_eq!(outcomes(&office.crm), []);
}

#[tokio::test]
async fn a_customer_added_by_the_api_is_read_found_and_confirmed() {
    let office = Office::open().await;
    let (status, customer) = office.post(None, &ada("ONB-1")).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(customer["number"], "C-100001");
    assert_eq!(customer["confirmedAt"], Value::Null);

    let read = answer(office.api(Method::GET, "/api/customers/C-100001")).await;
    assert_eq!(read, (StatusCode::OK, customer.clone()));
    for query in ["email=ADA@example.com", "reference=ONB-1"] {
        let (_, found) = answer(office.api(Method::GET, &format!("/api/customers?{query}"))).await;
        assert_eq!(found["items"], json!([customer]), "{query}");
    }

    let confirm = || answer(office.api(Method::POST, "/api/customers/C-100001/confirmation"));
    let (status, first) = confirm().await;
    assert_eq!(status, StatusCode::OK);
    let (_, second) = confirm().await;
    assert_eq!(first["confirmedAt"], second["confirmedAt"]);
    assert_eq!(office.crm.records().unwrap().confirmations["C-100001"], 2);
}

#[tokio::test]
async fn the_same_idempotency_key_adds_a_customer_once() {
    let office = Office::open().await;
    let first = office.post(Some("job-7"), &ada("ONB-1")).await;
    let second = office.post(Some("job-7"), &ada("ONB-1")).await;
    assert_eq!(first, second);
    let (status, body) = office.post(Some("job-7"), &ada("ONB-2")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(body["error"]["code"], "idempotency_key_reused");
    use AttemptOutcome::{Conflict, Created, Replayed};
    assert_eq!(outcomes(&office.crm), [Created, Replayed, Conflict]);
}

#[tokio::test]
async fn the_api_says_what_is_wrong_with_a_request() {
    let office = Office::open().await;
    let (status, body) = office.post(None, &json!({"name": "", "email": "x"})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(body["error"]["fields"][1]["field"], "email");
    let (status, body) = office.post(None, &json!({"mail": "x"})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(
        body["error"]["message"]
            .as_str()
            .unwrap()
            .contains("unknown field `mail`"),
        "{body}"
    );
    let (status, _) = office
        .post(None, &json!({"name": "x".repeat(REQUEST_BYTES_MAX)}))
        .await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    for path in [
        "/api/customers/C-1",
        "/api/customers/nobody",
        "/api/customers/C-9223372036854775807",
    ] {
        assert_eq!(
            answer(office.api(Method::GET, path)).await.0,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_held_answer_hides_work_that_was_done() {
    let office = Office::open().await;
    office
        .crm
        .faults()
        .set(Fault::HoldAnswer { door: Door::Api });
    let request = office
        .api(Method::POST, "/api/customers")
        .json(&ada("ONB-1"));
    let waiting = tokio::spawn(request.send());
    let done = async {
        while office.crm.records().unwrap().customers.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), done)
        .await
        .expect("the customer is added");
    assert!(!waiting.is_finished());
    office.crm.faults().clear();
    assert_eq!(
        waiting.await.unwrap().unwrap().status(),
        StatusCode::CREATED
    );
}

#[tokio::test]
async fn a_refusing_crm_does_nothing_as_often_as_it_was_told() {
    let office = Office::open_with(|options| options.testing = true).await;
    let fault = json!({"kind": "refuse", "door": "api", "status": 503, "times": 1});
    let set = office
        .client
        .put(format!("{}/testing/faults", office.crm.url()))
        .json(&fault)
        .send()
        .await
        .unwrap();
    assert_eq!(set.status(), StatusCode::NO_CONTENT);
    assert_eq!(
        office.post(None, &ada("ONB-1")).await.0,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(outcomes(&office.crm), []);
    assert_eq!(
        office.post(None, &ada("ONB-1")).await.0,
        StatusCode::CREATED
    );
}

#[tokio::test]
async fn records_are_compared_with_what_should_be_there() {
    let office = Office::open_with(|options| options.accept_duplicates = true).await;
    for (name, email, reference) in [
        ("Ada Lovelace", "ada@example.com", "ONB-1"),
        ("Grace Hopper", "grace@example.com", "ONB-2"),
        ("Grace Hopper", "grace@example.com", "ONB-2"),
        ("Alan Turing", "alan@example.com", "ONB-9"),
    ] {
        office
            .post(
                None,
                &json!({"name": name, "email": email, "reference": reference}),
            )
            .await;
    }
    let expected = |reference: &str, email: &str, number: Option<&str>| Expected {
        reference: reference.to_owned(),
        email: email.to_owned(),
        number: number.map(str::to_owned),
    };
    let wanted = [
        expected("ONB-1", "ada@example.com", Some("C-100001")),
        expected("ONB-2", "grace@example.com", None),
        expected("ONB-3", "linus@example.com", None),
    ];
    let story: Vec<String> = office
        .crm
        .records()
        .unwrap()
        .differences(&wanted)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        story,
        [
            "ONB-2: 2 customers were added: C-100002, C-100003",
            "ONB-3: no customer was added",
            "C-100004: nobody asked for this customer (reference \"ONB-9\")",
        ]
    );
    assert_eq!(
        office
            .crm
            .records()
            .unwrap()
            .differences(&wanted[..1])
            .len(),
        3
    );
}

#[tokio::test]
async fn a_second_attempt_that_a_rule_stopped_is_a_difference_too() {
    let office = Office::open().await;
    office.post(None, &ada("ONB-1")).await;
    let wanted = [Expected {
        reference: "ONB-1".to_owned(),
        email: "ada@example.com".to_owned(),
        number: None,
    }];
    assert_eq!(office.crm.records().unwrap().differences(&wanted), []);
    office.post(None, &ada("ONB-1")).await;
    let differences = office.crm.records().unwrap().differences(&wanted);
    assert_eq!(
        differences,
        [Difference::Retried {
            reference: "ONB-1".to_owned(),
            times: 1
        }]
    );
}

#[tokio::test]
async fn the_credentials_stay_the_same_and_belong_to_the_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let first = Credentials::load_or_create(folder.path()).unwrap();
    assert_eq!(first, Credentials::load_or_create(folder.path()).unwrap());
    let mode = std::fs::metadata(Credentials::path(folder.path()))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!format!("{first:?}").contains(&first.password));
}
