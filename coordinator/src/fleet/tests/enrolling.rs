//! Enrolling: tokens, certificates, and the authority's folder.

use super::stub::*;
use crate::fleet::*;
use botswain_proto::enrol::{BODY_MAX_BYTES, Token};
use std::os::unix::fs::PermissionsExt;

#[tokio::test]
async fn a_machine_becomes_an_agent_once() {
    let place = Place::open().await;
    let token = place.token();
    let machine = Machine::new();
    let response = machine
        .enrol(place.running.address, &token, "Anna's PC")
        .await
        .unwrap();
    assert_eq!(response.agent_id.as_str(), "anna-s-pc");
    assert_eq!(response.ca_pem, place.stub.ca.pem());
    assert_eq!(
        token.parse::<Token>().unwrap().ca,
        place.stub.ca.fingerprint()
    );

    let again = machine
        .enrol(place.running.address, &token, "other")
        .await
        .unwrap_err();
    assert_eq!(again.code, "used_token");
    assert!(
        again.message.contains("botswain agent-token"),
        "{}",
        again.message
    );
    place.running.stop().await;
}

#[tokio::test]
async fn what_is_no_good_token_is_refused_with_its_reason() {
    let place = Place::open().await;
    let machine = Machine::new();
    let code = async |token: String| {
        machine
            .enrol(place.running.address, &token, "a")
            .await
            .unwrap_err()
            .code
    };
    assert_eq!(code(place.token_until(NOW)).await, "expired_token");
    let (stranger, _) = mint(place.stub.ca.fingerprint(), NOW + 1, 1).unwrap();
    assert_eq!(code(stranger.to_string()).await, "unknown_token");
    let (foreign, _) = mint(botswain_proto::ids::Digest::of(b"another CA"), NOW + 1, 1).unwrap();
    assert_eq!(code(foreign.to_string()).await, "unknown_token");
    assert_eq!(code("botswain1.x".to_owned()).await, "invalid_request");
    place.running.stop().await;
}

#[tokio::test]
async fn what_is_no_enrolment_request_is_refused() {
    let place = Place::open().await;
    let (status, body) = post(place.running.address, b"{").await;
    assert_eq!(status, 400);
    assert!(String::from_utf8_lossy(&body).contains("invalid_request"));
    let (status, _) = post(place.running.address, &vec![b' '; BODY_MAX_BYTES + 1]).await;
    assert_eq!(status, 413);
    let mut request = Machine::new().request(&place.token(), "a");
    request.csr_pem =
        "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n".to_owned();
    let (status, body) = post(
        place.running.address,
        &serde_json::to_vec(&request).unwrap(),
    )
    .await;
    assert_eq!(status, 400);
    assert!(String::from_utf8_lossy(&body).contains("csr_pem"));
    place.running.stop().await;
}

#[test]
fn the_authority_is_made_once_and_kept_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca");
    let first = Ca::open(&path, NOW).unwrap().fingerprint();
    assert_eq!(Ca::open(&path, NOW).unwrap().fingerprint(), first);
    let mode = std::fs::metadata(path.join("ca.key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    std::fs::set_permissions(path.join("ca.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(Ca::open(&path, NOW), Err(CaError::Open(_))));
    std::fs::remove_file(path.join("ca.key")).unwrap();
    assert!(matches!(Ca::open(&path, NOW), Err(CaError::Half(_))));
    std::fs::remove_file(path.join("ca.pem")).unwrap();
    std::fs::write(path.join("ca.pem"), "nonsense").unwrap();
    std::fs::write(path.join("ca.key"), "nonsense").unwrap();
    std::fs::set_permissions(path.join("ca.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(Ca::open(&path, NOW), Err(CaError::Damaged { .. })));
}

#[test]
fn a_certificate_says_who_an_agent_is_and_for_how_long() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Ca::open(folder.path(), NOW).unwrap();
    let request = Machine::new().request("", "");
    let csr = Csr::read(&request.csr_pem).unwrap();
    let one = ca.issue(&csr, &"anna".parse().unwrap(), NOW).unwrap();
    let two = ca.issue(&csr, &"anna".parse().unwrap(), NOW).unwrap();
    assert_eq!(one.serial.len(), 32);
    assert_ne!(
        (&one.serial, one.fingerprint),
        (&two.serial, two.fingerprint)
    );
    assert_eq!(one.not_after - NOW, 90 * 86_400_000);
    assert_eq!(one.chain_pem.matches("BEGIN CERTIFICATE").count(), 2);
}

#[tokio::test]
async fn agents_speak_without_tls_on_this_machine_alone() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::open_with(|settings| settings.plaintext = true).await;
    let door = Door {
        host: std::sync::Arc::clone(&place.stub) as std::sync::Arc<dyn FleetHost>,
        lines: Lines::default(),
        admission: std::sync::Arc::default(),
        evidence: std::sync::Arc::new(EvidenceFolder::open(folder.path().to_owned()).unwrap()),
        ca: std::sync::Arc::clone(&place.stub.ca),
    };
    let everywhere = DoorSettings {
        plaintext: true,
        ..DoorSettings::new("0.0.0.0:0".parse().unwrap())
    };
    assert!(matches!(
        door.open(everywhere, NOW).await,
        Err(DoorError::OpenPlaintext(_))
    ));

    let channel =
        tonic::transport::Endpoint::from_shared(format!("http://{}", place.running.address))
            .unwrap();
    let channel = channel.connect().await.unwrap();
    let mut client = botswain_proto::agent::agent_link_client::AgentLinkClient::new(channel);
    let mut talk = Talk::begin(&mut client, "tester").await.unwrap();
    talk.hear().await.unwrap();
    place.stub.until_heard("hello from tester").await;
    drop(talk);
    place.running.stop().await;
}
