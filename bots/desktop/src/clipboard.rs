//! Clipboard: how a text is read out of a program, and how it gets in without keys.

use std::time::Duration;

use x11rb::connection::Connection as _;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ConnectionExt as _, EventMask, PropMode, Property, SelectionNotifyEvent,
    SelectionRequestEvent,
};
use x11rb::wrapper::ConnectionExt as _;
use x11rb::{CURRENT_TIME, NONE};

use crate::display::Display;
use crate::halt::{Halt, Patience};

/// The longest text that is read out of a program.
const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;
const COPY_WAIT: Duration = Duration::from_secs(5);

impl Display {
    /// Empties the clipboard, so that the next owner is the program that was told to copy.
    pub(crate) fn empty_clipboard(&self) -> Result<(), Halt> {
        self.connection
            .set_selection_owner(NONE, self.atoms.CLIPBOARD, CURRENT_TIME)?
            .check()?;
        Ok(())
    }

    /// Waits until a program has put something into the clipboard; false when none did.
    pub(crate) fn is_copied(&self, patience: &Patience) -> Result<bool, Halt> {
        let owned = patience.at_most(COPY_WAIT).until(|| {
            let owner = self
                .connection
                .get_selection_owner(self.atoms.CLIPBOARD)?
                .reply()?
                .owner;
            Ok((owner != NONE).then_some(()))
        })?;
        Ok(owned.is_some())
    }

    /// Reads the clipboard's text.
    pub(crate) fn clipboard(&self, patience: &Patience) -> Result<String, Halt> {
        let patience = patience.at_most(COPY_WAIT);
        let into = self.atoms.BOTSWAIN_TRANSFER;
        self.connection.delete_property(self.own, into)?;
        self.connection.convert_selection(
            self.own,
            self.atoms.CLIPBOARD,
            self.atoms.UTF8_STRING,
            into,
            CURRENT_TIME,
        )?;
        let given = self.event(&patience, |event| match event {
            Event::SelectionNotify(notify)
                if notify.requestor == self.own && notify.selection == self.atoms.CLIPBOARD =>
            {
                Ok(Some(notify.property))
            }
            _ => Ok(None),
        })?;
        match given {
            Some(property) if property != NONE => {}
            Some(_) => {
                return Err(Halt::passing(
                    "no_text",
                    "the program copied something that is no text",
                ));
            }
            None => {
                return Err(Halt::passing(
                    "no_text",
                    "the program that owns the clipboard does not hand it out; it may hang",
                ));
            }
        }
        let (kind, mut bytes) = self.take(into)?;
        if kind == self.atoms.INCR {
            bytes.clear();
            loop {
                let more = self.event(&patience, |event| match event {
                    Event::PropertyNotify(notify)
                        if notify.window == self.own
                            && notify.atom == into
                            && notify.state == Property::NEW_VALUE =>
                    {
                        Ok(Some(()))
                    }
                    _ => Ok(None),
                })?;
                if more.is_none() {
                    return Err(Halt::passing(
                        "no_text",
                        "the program stopped handing out a long text",
                    ));
                }
                let (_, part) = self.take(into)?;
                if part.is_empty() {
                    break;
                }
                bytes.extend_from_slice(&part);
                if bytes.len() > TEXT_BYTES_MAX {
                    return Err(Halt::lasting(
                        "text_too_long",
                        format!(
                            "the text exceeds {TEXT_BYTES_MAX} bytes; read the saved file instead"
                        ),
                    ));
                }
            }
        }
        String::from_utf8(bytes)
            .map_err(|_| Halt::passing("no_text", "the program copied text that is not UTF-8"))
    }

    fn take(&self, property: Atom) -> Result<(Atom, Vec<u8>), Halt> {
        let units = u32::try_from(TEXT_BYTES_MAX / 4).unwrap_or(u32::MAX);
        let reply = self
            .connection
            .get_property(true, self.own, property, AtomEnum::ANY, 0, units)?
            .reply()?;
        if reply.bytes_after > 0 {
            return Err(Halt::lasting(
                "text_too_long",
                format!("the text exceeds {TEXT_BYTES_MAX} bytes; read the saved file instead"),
            ));
        }
        Ok((reply.type_, reply.value))
    }

    /// Offers a text in the clipboard while `paste` makes a program ask for it; false when none asked.
    pub(crate) fn offer(
        &self,
        text: &str,
        patience: &Patience,
        paste: impl FnOnce() -> Result<(), Halt>,
    ) -> Result<bool, Halt> {
        self.connection
            .set_selection_owner(self.own, self.atoms.CLIPBOARD, CURRENT_TIME)?
            .check()?;
        paste()?;
        let taken = self.event(&patience.at_most(COPY_WAIT), |event| match event {
            Event::SelectionRequest(request) if request.owner == self.own => {
                self.answer(request, text).map(|gave| gave.then_some(()))
            }
            _ => Ok(None),
        })?;
        Ok(taken.is_some())
    }

    fn answer(&self, request: &SelectionRequestEvent, text: &str) -> Result<bool, Halt> {
        // Old programs leave the property out and mean the target's name.
        let property = if request.property == NONE {
            request.target
        } else {
            request.property
        };
        let (property, gave) = if request.target == self.atoms.TARGETS {
            let targets = [self.atoms.TARGETS, self.atoms.UTF8_STRING];
            self.connection.change_property32(
                PropMode::REPLACE,
                request.requestor,
                property,
                AtomEnum::ATOM,
                &targets,
            )?;
            (property, false)
        } else if request.target == self.atoms.UTF8_STRING {
            self.connection.change_property8(
                PropMode::REPLACE,
                request.requestor,
                property,
                self.atoms.UTF8_STRING,
                text.as_bytes(),
            )?;
            (property, true)
        } else {
            (NONE, false)
        };
        let answer = SelectionNotifyEvent {
            response_type: x11rb::protocol::xproto::SELECTION_NOTIFY_EVENT,
            sequence: 0,
            time: request.time,
            requestor: request.requestor,
            selection: request.selection,
            target: request.target,
            property,
        };
        self.connection
            .send_event(false, request.requestor, EventMask::NO_EVENT, answer)?;
        self.connection.flush()?;
        Ok(gave)
    }
}
