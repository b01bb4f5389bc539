//! Place: a file's folder, reached without following a single symbolic link.
//!
//! The policy allows folders by name. A link on the way would lead out of them, and a link that is exchanged after a check would
//! too; so each component is opened below the one before, and everything is then done below the last.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat};

use crate::command::is_plain_path;
use crate::halt::{Effect, Halt};

const PATH_BYTES_MAX: usize = 4000;

/// An open folder and the name of a file in it.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) folder: OwnedFd,
    pub(crate) name: String,
    pub(crate) path: String,
}

impl Place {
    pub(crate) fn open(path: &str) -> Result<Place, Halt> {
        if !is_plain_path(path) || path.ends_with('/') || path.len() > PATH_BYTES_MAX {
            return Err(Halt::refused(
                "path",
                format!("`{path}` is no absolute path of a file without `.` and `..`"),
            ));
        }
        let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let Some(name) = parts.pop() else {
            return Err(Halt::refused("path", "`/` is no file".to_owned()));
        };
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut folder = openat(AT_FDCWD, "/", flags | OFlag::O_RDONLY, Mode::empty())
            .map_err(|errno| error("open", "/", errno))?;
        let mut reached = String::new();
        let last = parts.len();
        for (index, part) in parts.into_iter().enumerate() {
            reached.push('/');
            reached.push_str(part);
            // Folders on the way need only be passed through; the last one is flushed, which needs it open for reading.
            let mode = if index + 1 == last {
                OFlag::O_RDONLY
            } else {
                OFlag::O_PATH
            };
            folder = match openat(&folder, part, flags | mode, Mode::empty()) {
                Ok(next) => next,
                Err(errno) => return Err(explain(&folder, part, &reached, errno)),
            };
        }
        Ok(Place {
            folder,
            name: name.to_owned(),
            path: path.to_owned(),
        })
    }

    /// Looks at the file without following a link; `None` when there is none.
    pub(crate) fn look(&self) -> Result<Option<FileStat>, Halt> {
        match fstatat(
            &self.folder,
            self.name.as_str(),
            AtFlags::AT_SYMLINK_NOFOLLOW,
        ) {
            Ok(stat) if kind(&stat) == SFlag::S_IFREG => Ok(Some(stat)),
            Ok(stat) if kind(&stat) == SFlag::S_IFLNK => {
                Err(link(&self.folder, &self.name, &self.path))
            }
            Ok(_) => Err(Halt::refused(
                "path",
                format!("{} is not a regular file", self.path),
            )),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(error("look at", &self.path, errno)),
        }
    }
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

fn explain(folder: &OwnedFd, part: &str, reached: &str, errno: Errno) -> Halt {
    match fstatat(folder, part, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(stat) if kind(&stat) == SFlag::S_IFLNK => link(folder, part, reached),
        Ok(stat) if kind(&stat) != SFlag::S_IFDIR => {
            Halt::refused("path", format!("{reached} is not a folder"))
        }
        Ok(_) => error("open", reached, errno),
        Err(_) => Halt::refused("path", format!("no folder {reached}; create it first")),
    }
}

fn link(folder: &OwnedFd, name: &str, reached: &str) -> Halt {
    let target = readlinkat(folder, name).map_or_else(
        |_| "?".to_owned(),
        |target| target.to_string_lossy().into_owned(),
    );
    Halt::refused(
        "symbolic_link",
        format!(
            "{reached} is a symbolic link to {target}, which could lead out of the allowed folders; give the real path"
        ),
    )
}

pub(crate) fn error(what: &str, path: &str, errno: Errno) -> Halt {
    let retryable = matches!(
        errno,
        Errno::EINTR
            | Errno::EAGAIN
            | Errno::EMFILE
            | Errno::ENFILE
            | Errno::EIO
            | Errno::ENOSPC
            | Errno::EDQUOT
    );
    let remedy = match errno {
        Errno::EACCES | Errno::EPERM | Errno::EROFS => "; give the agent's user the right to",
        Errno::ENOSPC | Errno::EDQUOT => "; make room on the disk",
        _ => "",
    };
    Halt::Failed {
        code: "file",
        message: format!("failed to {what} {path}: {}{remedy}", errno.desc()),
        retryable,
        effect: Effect::None,
    }
}
