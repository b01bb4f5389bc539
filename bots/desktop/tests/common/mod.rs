//! A desktop of its own for each test: a virtual screen, a window manager, and one call that runs a bot there.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use botswain_action::{
    Action, Attempt, Cancel, EffectClass, MemoryRunner, Object, Outcome, Secrets,
};
use botswain_desktop::{Bot, Manifest};
use botswain_device::tree::Tree;
use serde_json::{Value, json};
use tempfile::TempDir;
use x11rb::protocol::xkb::{ConnectionExt as _, Group};
use x11rb::protocol::xproto::ModMask;
use x11rb::protocol::xproto::{AtomEnum, ConnectionExt as _};

pub(crate) struct Desktop {
    manager: Option<Tree>,
    screen: Option<Tree>,
    pub(crate) display: String,
    _room: TempDir,
    pub(crate) room: PathBuf,
}

impl Desktop {
    pub(crate) fn start() -> Desktop {
        let mut desktop = Desktop::without_manager();
        let mut command = Command::new("openbox");
        command
            .env("DISPLAY", &desktop.display)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let manager = Tree::spawn(&mut command).expect("openbox is installed");
        let (connection, screen) =
            x11rb::connect(Some(&desktop.display)).expect("the screen accepts connections");
        let root = x11rb::connection::Connection::setup(&connection).roots[screen].root;
        let atom = connection
            .intern_atom(false, b"_NET_SUPPORTING_WM_CHECK")
            .expect("a request")
            .reply()
            .expect("an atom")
            .atom;
        until("the window manager", || {
            let reply = connection
                .get_property(false, root, atom, AtomEnum::WINDOW, 0, 1)
                .expect("a request")
                .reply();
            reply.is_ok_and(|reply| reply.value_len == 1)
        });
        desktop.manager = Some(manager);
        desktop
    }

    pub(crate) fn without_manager() -> Desktop {
        let mut command = Command::new("Xvfb");
        command
            .args([
                "-displayfd",
                "1",
                "-screen",
                "0",
                "1024x700x24",
                "-nolisten",
                "tcp",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut screen = Tree::spawn(&mut command).expect("Xvfb is installed");
        let mut number = String::new();
        let stdout = screen.child().stdout.take().expect("a pipe");
        BufReader::new(stdout)
            .read_line(&mut number)
            .expect("Xvfb tells its display");
        let room = tempfile::tempdir().expect("a temporary folder");
        let path = room.path().canonicalize().expect("a real path");
        Desktop {
            manager: None,
            screen: Some(screen),
            display: format!(":{}", number.trim()),
            _room: room,
            room: path,
        }
    }

    pub(crate) fn run(&self, bot: &Bot, input: Value) -> Run {
        self.run_with(bot, input, Secrets::default(), Cancel::new())
    }

    pub(crate) fn run_with(
        &self,
        bot: &Bot,
        input: Value,
        secrets: Secrets,
        cancel: Cancel,
    ) -> Run {
        let input = object(input);
        let mut evidence = MemoryRunner::default();
        let mut attempt = Attempt::new(
            &input,
            &secrets,
            &self.room,
            Instant::now(),
            Duration::from_secs(120),
            cancel,
            &mut evidence,
        );
        let outcome = bot.run(&mut attempt);
        Run { outcome, evidence }
    }

    pub(crate) fn bot(&self, effect: EffectClass, steps: &str) -> Bot {
        bot(effect, steps).on_display(&self.display)
    }

    /// Switches to the German keyboard of two, as a clerk does with a key.
    pub(crate) fn use_second_layout(&self) {
        let done = Command::new("setxkbmap")
            .args(["-layout", "us,de"])
            .env("DISPLAY", &self.display)
            .status()
            .expect("setxkbmap comes with Xvfb");
        assert!(done.success());
        const CORE_KEYBOARD: u16 = 0x100;
        let (connection, _) =
            x11rb::connect(Some(&self.display)).expect("the screen accepts connections");
        connection
            .xkb_use_extension(1, 0)
            .expect("a request")
            .reply()
            .expect("XKB");
        connection
            .xkb_latch_lock_state(
                CORE_KEYBOARD,
                ModMask::default(),
                ModMask::default(),
                true,
                Group::M2,
                ModMask::default(),
                false,
                0,
            )
            .expect("a request")
            .check()
            .expect("the second layout");
    }

    /// The titles of all windows.
    pub(crate) fn titles(&self) -> String {
        let titles = Command::new("xdotool")
            .args([
                "search",
                "--onlyvisible",
                "--name",
                ".",
                "getwindowname",
                "%@",
            ])
            .env("DISPLAY", &self.display)
            .output();
        String::from_utf8_lossy(&titles.expect("xdotool is installed").stdout).into_owned()
    }

    /// The keyboard's whole description: symbols, types and what each key does.
    pub(crate) fn keyboard(&self) -> String {
        let described = Command::new("xkbcomp")
            .args(["-xkb", &self.display, "-"])
            .output()
            .expect("xkbcomp comes with Xvfb");
        assert!(described.status.success());
        String::from_utf8_lossy(&described.stdout).into_owned()
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.room.join(name).display().to_string()
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        // A screen that ends by itself takes its socket and its lock along; the manager ends before it.
        for tree in [self.manager.take(), self.screen.take()]
            .iter_mut()
            .flatten()
        {
            let _ = tree.end(Duration::from_secs(5));
        }
    }
}

pub(crate) struct Run {
    pub(crate) outcome: Outcome,
    pub(crate) evidence: MemoryRunner,
}

impl Run {
    pub(crate) fn output(&self) -> &Object {
        match &self.outcome {
            Outcome::Succeeded { output } => output,
            other => panic!(
                "expected success, got {other:?}\n{:#?}",
                self.evidence.steps
            ),
        }
    }

    pub(crate) fn failure(&self) -> (&str, &str) {
        match &self.outcome {
            Outcome::Failed { code, message, .. } => (code, message),
            other => panic!("expected a failure, got {other:?}"),
        }
    }

    /// The picture's size and its pixels, three bytes each.
    pub(crate) fn picture(&self, name: &str) -> (u32, u32, Vec<u8>) {
        let file = self
            .evidence
            .file(name)
            .unwrap_or_else(|| panic!("no picture {name}"));
        assert_eq!(file.media_type, "image/png");
        let mut reader = png::Decoder::new(std::io::Cursor::new(&file.bytes))
            .read_info()
            .expect("a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
        let frame = reader.next_frame(&mut pixels).expect("a whole picture");
        (frame.width, frame.height, pixels)
    }
}

pub(crate) fn bot(effect: EffectClass, steps: &str) -> Bot {
    try_bot(effect, steps).expect("the steps are right")
}

pub(crate) fn try_bot(effect: EffectClass, steps: &str) -> Result<Bot, String> {
    let manifest = Manifest {
        name: "test".to_owned(),
        effect,
        input_schema: json!({}),
        output_schema: json!({}),
    };
    Bot::new(manifest, steps).map_err(|error| error.to_string())
}

pub(crate) fn object(value: Value) -> Object {
    value.as_object().cloned().expect("an object")
}

/// Waits for a condition, bounded; it is asked again and again without a fixed pause.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < limit, "{what} did not come true");
        std::thread::yield_now();
    }
}

/// True while a process with this text in its command line runs.
pub(crate) fn runs(text: &str) -> bool {
    let me = std::process::id().to_string();
    std::fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .any(|entry| {
            let is_other = entry
                .file_name()
                .to_str()
                .is_some_and(|name| name != me && name.parse::<u32>().is_ok());
            let line = std::fs::read(Path::new(&entry.path()).join("cmdline")).unwrap_or_default();
            is_other && String::from_utf8_lossy(&line).contains(text)
        })
}
