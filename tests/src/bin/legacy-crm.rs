//! legacy-crm: runs the legacy CRM of the demo until it is ended.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use botswain_tests::crm::{Credentials, Crm, Options};
use clap::Parser;

/// A small customer administration of 2008, with an API that its owner has just added.
#[derive(Parser)]
#[command(name = "legacy-crm")]
struct Arguments {
    /// The port on the loopback interface; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The folder for its database and its credentials.
    #[arg(long)]
    data: PathBuf,
    /// Accept a second customer with the same e-mail address, so that a repeated effect shows as a second row.
    #[arg(long)]
    accept_duplicates: bool,
    /// Offer /testing/faults, which makes it slow or failing on request.
    #[arg(long)]
    testing: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let crm = Crm::start(Options {
        data: arguments.data,
        port: arguments.port,
        credentials: None,
        accept_duplicates: arguments.accept_duplicates,
        testing: arguments.testing,
    })
    .await?;
    let ready = serde_json::json!({
        "url": crm.url(),
        "user": crm.credentials().user,
        "credentials": Credentials::path(crm.data()),
    });
    let mut out = std::io::stdout();
    writeln!(out, "{ready}")
        .and_then(|()| out.flush())
        .context("say that it is ready")?;
    crm.wait().await
}
