//! Deploy: files become versions of processes.

use super::client::Client;
use super::output::{Output, cell};
use super::{Done, Failure};
use reqwest::Method;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// What a request may have.
const FILES_BYTES_MAX: u64 = 10_000_000;

pub(super) async fn deploy(client: &Client, out: &mut Output, files: &[PathBuf]) -> Done {
    let boundary = Uuid::new_v4().simple().to_string();
    let mut body = Vec::new();
    for file in files {
        append(&mut body, &boundary, file)?;
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let request = client
        .request(Method::POST, &["v2", "deployments"])
        .header(
            "content-type",
            format!("multipart/form-data; boundary={boundary}"),
        )
        .body(body);
    let answer = client.send(request).await?;
    out.answer(&answer, |out| {
        let rows = answer["deployments"]
            .as_array()
            .map_or(&[] as &[_], Vec::as_slice)
            .iter()
            .map(|deployed| {
                let process = &deployed["processDefinition"];
                let fields = [
                    "processDefinitionId",
                    "processDefinitionVersion",
                    "processDefinitionKey",
                    "resourceName",
                ];
                fields.iter().map(|field| cell(process, field)).collect()
            });
        out.table(&["process", "version", "key", "file"], rows.collect());
    })
}

fn append(body: &mut Vec<u8>, boundary: &str, file: &Path) -> Done {
    let wrong = |why: String| Failure::Usage(format!("read {}: {why}", file.display()));
    let size = std::fs::metadata(file)
        .map_err(|error| wrong(error.to_string()))?
        .len();
    if size + body.len() as u64 > FILES_BYTES_MAX {
        return Err(wrong(format!(
            "the files together have more than {FILES_BYTES_MAX} bytes: deploy them one by one"
        )));
    }
    let content = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let name = name.replace(['"', '\r', '\n'], "_");
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"resources\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(&content);
    body.extend_from_slice(b"\r\n");
    Ok(())
}
