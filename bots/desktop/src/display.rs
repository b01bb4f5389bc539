//! Display: the connection to the X server of the session, and what everything else asks of it.

use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    Atom, ChangeWindowAttributesAux, ClientMessageEvent, ConnectionExt as _, CreateWindowAux,
    EventMask, KeyButMask, Screen, Window, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::{COPY_DEPTH_FROM_PARENT, COPY_FROM_PARENT};

use crate::halt::{Halt, Patience};

x11rb::atom_manager! {
    pub(crate) Atoms: AtomsCookie {
        BOTSWAIN_TRANSFER,
        CLIPBOARD,
        INCR,
        TARGETS,
        UTF8_STRING,
        WM_DELETE_WINDOW,
        WM_PROTOCOLS,
        _NET_ACTIVE_WINDOW,
        _NET_CLIENT_LIST,
        _NET_CLOSE_WINDOW,
        _NET_SUPPORTING_WM_CHECK,
        _NET_WM_NAME,
        _NET_WM_PID,
        _NET_WM_PING,
        _NET_WM_STATE,
        _NET_WM_STATE_MAXIMIZED_HORZ,
        _NET_WM_STATE_MAXIMIZED_VERT,
    }
}

/// The X server of the session.
pub(crate) struct Display {
    pub(crate) name: String,
    pub(crate) connection: RustConnection,
    pub(crate) screen: Screen,
    pub(crate) atoms: Atoms,
    /// A window that is never shown; selections are exchanged through it.
    pub(crate) own: Window,
}

impl Display {
    /// Connects to the display that was given, else to the session's.
    pub(crate) fn open(name: Option<&str>) -> Result<Display, Halt> {
        let name = match name
            .map(str::to_owned)
            .or_else(|| std::env::var("DISPLAY").ok())
            .filter(|name| !name.is_empty())
        {
            Some(name) => name,
            None => {
                let remedy = "start the agent inside the desktop session, or set DISPLAY (a virtual screen: `Xvfb :99` with a window manager)";
                return Err(Halt::lasting(
                    "no_display",
                    format!("there is no X display: DISPLAY is not set; {remedy}"),
                ));
            }
        };
        let (connection, screen) = x11rb::connect(Some(&name)).map_err(|error| {
            Halt::passing("no_display", format!("failed to connect to the X display {name}: {error}; is the session running, and may this user use it (XAUTHORITY)?"))
        })?;
        let screen = connection
            .setup()
            .roots
            .get(screen)
            .cloned()
            .ok_or_else(|| {
                Halt::lasting(
                    "no_display",
                    format!("the X display {name} has no screen {screen}"),
                )
            })?;
        let atoms = Atoms::new(&connection)?.reply()?;
        let own = connection.generate_id()?;
        let aux = CreateWindowAux::new().event_mask(EventMask::PROPERTY_CHANGE);
        connection
            .create_window(
                COPY_DEPTH_FROM_PARENT,
                own,
                screen.root,
                -10,
                -10,
                1,
                1,
                0,
                WindowClass::INPUT_OUTPUT,
                COPY_FROM_PARENT,
                &aux,
            )?
            .check()?;
        Ok(Display {
            name,
            connection,
            screen,
            atoms,
            own,
        })
    }

    /// Waits for the first event that is wanted; nobody wants those before it any more.
    pub(crate) fn event<T>(
        &self,
        patience: &Patience,
        mut wanted: impl FnMut(&Event) -> Result<Option<T>, Halt>,
    ) -> Result<Option<T>, Halt> {
        self.connection.flush()?;
        patience.until(|| {
            while let Some(event) = self.connection.poll_for_event()? {
                if let Some(found) = wanted(&event)? {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        })
    }

    /// Asks the window manager for something that concerns a window.
    pub(crate) fn ask(&self, window: Window, what: Atom, data: [u32; 5]) -> Result<(), Halt> {
        let message = ClientMessageEvent::new(32, window, what, data);
        let mask = EventMask::SUBSTRUCTURE_REDIRECT | EventMask::SUBSTRUCTURE_NOTIFY;
        self.connection
            .send_event(false, self.screen.root, mask, message)?;
        self.connection.flush()?;
        Ok(())
    }

    /// Waits until the program of a window has taken everything that was sent to it; false when it cannot tell.
    pub(crate) fn settle(&self, window: Window, patience: &Patience) -> Result<bool, Halt> {
        if !self.protocols(window)?.contains(&self.atoms._NET_WM_PING) {
            return Ok(false);
        }
        let hear = |mask: EventMask| {
            let aux = ChangeWindowAttributesAux::new().event_mask(mask);
            self.connection
                .change_window_attributes(self.screen.root, &aux)?
                .check()
                .map_err(Halt::from)
        };
        hear(EventMask::SUBSTRUCTURE_NOTIFY)?;
        // The answer repeats the number; a window manager's own pings carry times, which are never this one.
        let number = self.own ^ 0x5a5a_5a5a;
        let ping = ClientMessageEvent::new(
            32,
            window,
            self.atoms.WM_PROTOCOLS,
            [self.atoms._NET_WM_PING, number, window, 0, 0],
        );
        self.connection
            .send_event(false, window, EventMask::NO_EVENT, ping)?;
        let answer = self.event(patience, |event| {
            let Event::ClientMessage(message) = event else {
                return Ok(None);
            };
            let data = message.data.as_data32();
            let is_answer = message.window == self.screen.root
                && data[0] == self.atoms._NET_WM_PING
                && data[1] == number
                && data[2] == window;
            Ok(is_answer.then_some(()))
        });
        hear(EventMask::NO_EVENT)?;
        Ok(answer?.is_some())
    }

    /// Says whether Caps Lock is on, which turns every letter around.
    pub(crate) fn caps_lock(&self) -> Result<bool, Halt> {
        let pointer = self.connection.query_pointer(self.screen.root)?.reply()?;
        Ok(u16::from(pointer.mask) & u16::from(KeyButMask::LOCK) != 0)
    }
}
