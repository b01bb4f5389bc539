//! Bots: packages that are pushed once and named by routes.

use super::tables::{PackageBytes, PackageField, PackageItem, Packages};
use crate::api::ApiState;
use crate::api::fields::whole_body;
use crate::api::problem::Problem;
use crate::api::search::{page, time};
use crate::dispatch::BotPackage;
use crate::runtime::Ask;
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use botswain_proto::ids::Digest;
use botswain_proto::package::{Package, PackageError};
use botswain_store::reader::{LIMIT_MAX, Op, Order, Search, Value as Stored};
use botswain_store::rows::{self, PackageRow, Put};
use serde_json::{Value, json};
use smol_str::SmolStr;

pub(crate) async fn list(State(api): State<ApiState>) -> Result<Json<Value>, Problem> {
    let search = Search::<Packages> {
        limit: LIMIT_MAX,
        ..Search::default()
    }
    .sort(PackageField::Name, Order::Ascending)
    .sort(PackageField::Version, Order::Ascending);
    Ok(Json(page(api.search(search).await?, shown)))
}

fn shown(item: PackageItem) -> Value {
    json!({
        "digest": hex::encode(&item.digest),
        "name": item.name,
        "version": item.version,
        "size": item.size,
        "pushedAt": time(item.pushed_at),
    })
}

pub(crate) async fn push(
    State(api): State<ApiState>,
    request: Request,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let bytes = whole_body(request).await?;
    // Unpacking takes a while and much memory: not on a thread that serves others. Packed again, the same files have the same
    // address, whoever packed them first.
    let unpacked = tokio::task::spawn_blocking(move || {
        let package = Package::unpack(&bytes)?;
        let bytes = package.pack();
        Ok::<_, PackageError>((package, bytes))
    });
    let unpacked = unpacked
        .await
        .map_err(|error| Problem::wrong(format!("the package cannot be unpacked: {error}")))?;
    let (package, bytes) = unpacked
        .map_err(|error| Problem::wrong(format!("the bot package cannot be used:\n{error}")))?;
    let digest = Digest::of(&bytes);
    let bot = BotPackage::of(package.manifest(), digest);
    let (name, version) = (bot.name.clone(), bot.version.clone());
    let shown = json!({ "digest": digest.to_string(), "name": name, "version": version, "size": bytes.len() });
    match same_name(&api, &name, &version).await? {
        Some(known) if known.digest == digest.0 => return Ok((StatusCode::OK, Json(shown))),
        Some(known) => {
            let detail = format!(
                "bot {name}@{version} was pushed with other content (digest {}): a version never changes, give this one a new version in bot.toml",
                hex::encode(known.digest)
            );
            return Err(Problem::new(StatusCode::CONFLICT, "ALREADY_EXISTS", detail));
        }
        None => {}
    }
    let row = PackageRow {
        digest: rows::Digest(digest.0),
        name,
        version,
        bytes,
        pushed_at: jiff::Timestamp::now().as_millisecond(),
    };
    let put = Box::new(Put::Package(row));
    api.ask(
        "PUSH",
        Ask::BotPushed {
            put,
            bot: Box::new(bot),
            by: api.who(),
        },
    )
    .await?;
    Ok((StatusCode::CREATED, Json(shown)))
}

async fn same_name(
    api: &ApiState,
    name: &SmolStr,
    version: &SmolStr,
) -> Result<Option<PackageItem>, Problem> {
    let search = Search::<Packages>::default()
        .filter(PackageField::Name, Op::Eq(name.as_str().into()))
        .filter(PackageField::Version, Op::Eq(version.as_str().into()));
    Ok(api.search(search).await?.items.pop())
}

pub(crate) async fn get(
    State(api): State<ApiState>,
    Path(digest): Path<String>,
) -> Result<Response, Problem> {
    let digest: Digest = digest.parse().map_err(|_| {
        Problem::wrong(
            "the path's digest: expected 64 hexadecimal digits, as the list of bots shows them",
        )
    })?;
    let search = Search::<PackageBytes> {
        limit: 1,
        ..Search::default()
    }
    .filter(
        PackageField::Digest,
        Op::Eq(Stored::Bytes(digest.0.to_vec())),
    );
    let bytes = api.search(search).await?.items.pop();
    let bytes = bytes
        .ok_or_else(|| Problem::not_found(format!("there is no bot with the digest {digest}")))?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
}
