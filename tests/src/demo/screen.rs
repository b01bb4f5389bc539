//! Screen: the desktop that bots type on; a virtual one where there is none.

use std::path::Path;

use super::started::Started;

/// A virtual screen with a window manager.
#[derive(Debug)]
pub struct Screen {
    // The window manager ends before the screen that it manages.
    _manager: Started,
    _server: Started,
    display: String,
}

impl Screen {
    /// Starts a screen of its own.
    pub fn virtual_one(logs: &Path) -> anyhow::Result<Self> {
        let (server, number) = Started::with_first_line(
            Path::new("Xvfb"),
            |command| {
                command.args([
                    "-displayfd",
                    "1",
                    "-screen",
                    "0",
                    "1280x800x24",
                    "-nolisten",
                    "tcp",
                ]);
            },
            &logs.join("screen.log"),
        )?;
        let display = format!(":{number}");
        let manager = Started::silent(
            Path::new("openbox"),
            |command| {
                command.env("DISPLAY", &display);
            },
            &logs.join("window-manager.log"),
        )?;
        Ok(Self {
            _manager: manager,
            _server: server,
            display,
        })
    }

    /// What `DISPLAY` has to be.
    pub fn display(&self) -> &str {
        &self.display
    }
}
