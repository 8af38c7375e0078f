//! SFTP version 3 over one directory: relative paths start there, and absolute
//! ones must lie within.

use std::collections::HashMap;
use std::fs::{self, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Component, PathBuf};
use std::time::{Duration, SystemTime};

use russh_sftp::protocol::{
    Attrs, Data, File, FileAttributes, Handle, Name, OpenFlags, Packet, Status, StatusCode, Version,
};
use russh_sftp::server::{Handler, StatusReply};

use super::options::SftpOptions;

const POSIX_RENAME: &str = "posix-rename@openssh.com";
/// The most that one read returns; SFTP lets a server return less than asked for.
const MAX_READ: u32 = 256 * 1024;

type Answer<T> = Result<T, StatusReply>;

/// The SFTP subsystem of one channel.
pub(super) struct Files {
    root: PathBuf,
    open: HashMap<String, Open>,
    opened: u64,
    options: SftpOptions,
    /// Where the symbolic links that were made up lead.
    made_up: HashMap<PathBuf, String>,
}

enum Open {
    File(fs::File),
    /// What is left to list.
    Directory(Vec<File>),
    /// Of this path, and how many answers it has given.
    Endless(String, u64),
}

impl Files {
    pub(super) fn new(root: PathBuf, options: SftpOptions) -> Self {
        Self { root, open: HashMap::new(), opened: 0, options, made_up: HashMap::new() }
    }

    /// The path that the client means, made absolute and free of `.` and `..`.
    fn resolve(&self, path: &str) -> Answer<PathBuf> {
        let mut resolved = PathBuf::new();
        for component in self.root.join(path).components() {
            match component {
                Component::ParentDir => {
                    resolved.pop();
                }
                Component::CurDir => {}
                other => resolved.push(other),
            }
        }
        match resolved.starts_with(&self.root) {
            true => Ok(resolved),
            false => Err(StatusCode::PermissionDenied
                .with_message(format!("`{path}` is outside of {}", self.root.display()))),
        }
    }

    fn remember(&mut self, id: u32, open: Open) -> Handle {
        self.opened += 1;
        let handle = self.opened.to_string();
        self.open.insert(handle.clone(), open);
        Handle { id, handle }
    }

    fn file(&self, handle: &str) -> Answer<&fs::File> {
        match self.open.get(handle) {
            Some(Open::File(file)) => Ok(file),
            _ => Err(StatusCode::Failure.with_message("no such handle")),
        }
    }
}

impl Handler for Files {
    type Error = StatusReply;

    fn unimplemented(&self) -> StatusReply {
        StatusCode::OpUnsupported.into()
    }

    async fn init(&mut self, _: u32, _: HashMap<String, String>) -> Answer<Version> {
        let mut version = Version::new();
        if !self.options.renames_plainly {
            version.extensions.insert(POSIX_RENAME.to_owned(), "1".to_owned());
        }
        Ok(version)
    }

    async fn open(
        &mut self,
        id: u32,
        path: String,
        flags: OpenFlags,
        attributes: FileAttributes,
    ) -> Answer<Handle> {
        let mut options = fs::OpenOptions::from(flags);
        options.mode(attributes.permissions.unwrap_or(0o666) & 0o7777);
        let file = options.open(self.resolve(&path)?).map_err(reply)?;
        Ok(self.remember(id, Open::File(file)))
    }

    async fn close(&mut self, id: u32, handle: String) -> Answer<Status> {
        match self.open.remove(&handle) {
            Some(_) => Ok(done(id)),
            None => Err(StatusCode::Failure.with_message("no such handle")),
        }
    }

    async fn read(&mut self, id: u32, handle: String, offset: u64, len: u32) -> Answer<Data> {
        let most = if self.options.reads_short { 1 + len / 3 } else { MAX_READ };
        let mut data = vec![0; len.min(most) as usize];
        let count = self.file(&handle)?.read_at(&mut data, offset).map_err(reply)?;
        if count == 0 {
            return Err(StatusCode::Eof.into());
        }
        data.truncate(count);
        Ok(Data { id, data })
    }

    async fn write(
        &mut self,
        id: u32,
        handle: String,
        offset: u64,
        mut data: Vec<u8>,
    ) -> Answer<Status> {
        if self.options.damages {
            data[0] ^= 1;
        }
        self.file(&handle)?.write_all_at(&data, offset).map_err(reply)?;
        Ok(done(id))
    }

    async fn lstat(&mut self, id: u32, path: String) -> Answer<Attrs> {
        let metadata = fs::symlink_metadata(self.resolve(&path)?).map_err(reply)?;
        let mut attrs = attributes(&metadata);
        attrs.size = self.options.claims_size.or(attrs.size);
        Ok(Attrs { id, attrs })
    }

    async fn stat(&mut self, id: u32, path: String) -> Answer<Attrs> {
        let metadata = fs::metadata(self.resolve(&path)?).map_err(reply)?;
        Ok(Attrs { id, attrs: attributes(&metadata) })
    }

    async fn fstat(&mut self, id: u32, handle: String) -> Answer<Attrs> {
        let metadata = self.file(&handle)?.metadata().map_err(reply)?;
        Ok(Attrs { id, attrs: attributes(&metadata) })
    }

    async fn setstat(&mut self, id: u32, path: String, wanted: FileAttributes) -> Answer<Status> {
        let path = self.resolve(&path)?;
        // A directory cannot be opened for writing, and only a size needs that.
        let file = match wanted.size {
            Some(_) => fs::OpenOptions::new().write(true).open(path),
            None => fs::File::open(path),
        };
        apply(&file.map_err(reply)?, &wanted).map_err(reply)?;
        Ok(done(id))
    }

    async fn fsetstat(
        &mut self,
        id: u32,
        handle: String,
        wanted: FileAttributes,
    ) -> Answer<Status> {
        apply(self.file(&handle)?, &wanted).map_err(reply)?;
        Ok(done(id))
    }

    async fn opendir(&mut self, id: u32, path: String) -> Answer<Handle> {
        let mut listed = Vec::new();
        let path = self.resolve(&path)?.display().to_string();
        if self.options.lists_for_ever.as_ref().is_some_and(|lists| lists(&path, 0).is_some()) {
            return Ok(self.remember(id, Open::Endless(path, 0)));
        }
        if let Some(made_up) = self.options.lists.as_ref().and_then(|lists| lists(&path)) {
            for entry in made_up {
                let mut attributes = FileAttributes::empty();
                attributes.permissions = Some(entry.mode);
                attributes.size = Some(entry.size);
                self.made_up.insert(PathBuf::from(&path).join(&entry.name), entry.target);
                listed.push(File::new(entry.name, attributes));
            }
            return Ok(self.remember(id, Open::Directory(listed)));
        }
        for entry in fs::read_dir(self.resolve(&path)?).map_err(reply)? {
            let entry = entry.map_err(reply)?;
            let metadata = entry.metadata().map_err(reply)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            listed.push(File::new(name, attributes(&metadata)));
        }
        Ok(self.remember(id, Open::Directory(listed)))
    }

    async fn readdir(&mut self, id: u32, handle: String) -> Answer<Name> {
        match self.open.get_mut(&handle) {
            Some(Open::Directory(listed)) if listed.is_empty() => Err(StatusCode::Eof.into()),
            // Small portions keep each answer below the packet limit.
            Some(Open::Directory(listed)) => {
                let files = listed.drain(..listed.len().min(64)).collect();
                Ok(Name { id, files })
            }
            Some(Open::Endless(path, count)) => {
                let lists = self.options.lists_for_ever.as_ref();
                let made_up = lists.and_then(|lists| lists(path, *count)).unwrap_or_default();
                *count += 1;
                let files = made_up.into_iter().map(|entry| {
                    let mut attributes = FileAttributes::empty();
                    attributes.permissions = Some(entry.mode);
                    File::new(entry.name, attributes)
                });
                Ok(Name { id, files: files.collect() })
            }
            _ => Err(StatusCode::Failure.with_message("no such handle")),
        }
    }

    async fn remove(&mut self, id: u32, path: String) -> Answer<Status> {
        fs::remove_file(self.resolve(&path)?).map_err(reply)?;
        Ok(done(id))
    }

    async fn mkdir(&mut self, id: u32, path: String, wanted: FileAttributes) -> Answer<Status> {
        let path = self.resolve(&path)?;
        fs::create_dir(&path).map_err(reply)?;
        if let Some(mode) = wanted.permissions {
            fs::set_permissions(&path, Permissions::from_mode(mode & 0o7777)).map_err(reply)?;
        }
        Ok(done(id))
    }

    async fn rmdir(&mut self, id: u32, path: String) -> Answer<Status> {
        fs::remove_dir(self.resolve(&path)?).map_err(reply)?;
        Ok(done(id))
    }

    async fn realpath(&mut self, id: u32, path: String) -> Answer<Name> {
        let path = self.resolve(&path)?;
        Ok(Name { id, files: vec![File::dummy(path.to_string_lossy())] })
    }

    async fn rename(&mut self, id: u32, from: String, to: String) -> Answer<Status> {
        let to = self.resolve(&to)?;
        // Version 3 never replaces; the extension below does.
        if fs::symlink_metadata(&to).is_ok() {
            return Err(StatusCode::Failure.with_message("the target exists"));
        }
        fs::rename(self.resolve(&from)?, to).map_err(reply)?;
        Ok(done(id))
    }

    async fn readlink(&mut self, id: u32, path: String) -> Answer<Name> {
        if let Some(target) = self.made_up.get(&PathBuf::from(&path)) {
            return Ok(Name { id, files: vec![File::dummy(target.as_str())] });
        }
        let target = fs::read_link(self.resolve(&path)?).map_err(reply)?;
        Ok(Name { id, files: vec![File::dummy(target.to_string_lossy())] })
    }

    /// The paths come the way round that OpenSSH has them.
    async fn symlink(&mut self, id: u32, target: String, path: String) -> Answer<Status> {
        std::os::unix::fs::symlink(target, self.resolve(&path)?).map_err(reply)?;
        Ok(done(id))
    }

    async fn extended(&mut self, id: u32, request: String, data: Vec<u8>) -> Answer<Packet> {
        if request != POSIX_RENAME || self.options.renames_plainly {
            return Err(self.unimplemented());
        }
        let (from, rest) = text(&data)?;
        let (to, _) = text(rest)?;
        fs::rename(self.resolve(&from)?, self.resolve(&to)?).map_err(reply)?;
        Ok(Packet::Status(done(id)))
    }
}

/// A string of the protocol, and what follows it.
fn text(data: &[u8]) -> Answer<(String, &[u8])> {
    let (length, rest) = data.split_first_chunk().ok_or(StatusCode::BadMessage)?;
    let length = u32::from_be_bytes(*length) as usize;
    let (text, rest) = rest.split_at_checked(length).ok_or(StatusCode::BadMessage)?;
    Ok((String::from_utf8_lossy(text).into_owned(), rest))
}

fn attributes(metadata: &Metadata) -> FileAttributes {
    FileAttributes {
        size: Some(metadata.len()),
        uid: Some(metadata.uid()),
        gid: Some(metadata.gid()),
        permissions: Some(metadata.mode()),
        atime: u32::try_from(metadata.atime()).ok(),
        mtime: u32::try_from(metadata.mtime()).ok(),
        ..FileAttributes::empty()
    }
}

fn apply(file: &fs::File, wanted: &FileAttributes) -> io::Result<()> {
    if let Some(size) = wanted.size {
        file.set_len(size)?;
    }
    if let Some(mode) = wanted.permissions {
        file.set_permissions(Permissions::from_mode(mode & 0o7777))?;
    }
    if let (Some(atime), Some(mtime)) = (wanted.atime, wanted.mtime) {
        let time = |seconds: u32| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.into());
        let times = fs::FileTimes::new().set_accessed(time(atime)).set_modified(time(mtime));
        file.set_times(times)?;
    }
    if let (Some(uid), Some(gid)) = (wanted.uid, wanted.gid) {
        std::os::unix::fs::fchown(file, Some(uid), Some(gid))?;
    }
    Ok(())
}

fn done(id: u32) -> Status {
    Status {
        id,
        status_code: StatusCode::Ok,
        error_message: "ok".to_owned(),
        language_tag: "en".to_owned(),
    }
}

fn reply(error: io::Error) -> StatusReply {
    let code = match error.kind() {
        ErrorKind::NotFound => StatusCode::NoSuchFile,
        ErrorKind::PermissionDenied => StatusCode::PermissionDenied,
        _ => StatusCode::Failure,
    };
    code.with_message(error.to_string())
}
