//! From where only another user may read to this machine.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use openssl::sha::Sha256;
use uuid::Uuid;

use super::{Job, scripts};
use crate::failure::{ErrorCode, Failure};
use crate::plan::spec::TransferSpec;
use crate::transport::Transferred;
use crate::transport::capture::Capture;

pub(super) fn download(job: &mut Job<'_>) -> Result<Transferred, Failure> {
    match job.spec.recursive {
        true => tree(job),
        false => file(job),
    }
}

fn file(job: &mut Job<'_>) -> Result<Transferred, Failure> {
    let target = Target::find(job)?;
    let path = job.remote_path();
    let size = target.size.map(|size| size.to_string()).unwrap_or_default();
    let when = if job.spec.verify { "always" } else { "" };
    let probe = job.script(scripts::PROBE, &[&path, &size, when])?;
    let there = probe.get("is").unwrap_or_default().to_owned();
    let there: Vec<&str> = there.split(' ').collect();
    let ["file", length, mode, _, _, sum] = there.as_slice() else {
        let what = match there.first() {
            Some(&"directory") => "is a directory on the host",
            Some(&"special") => "is no regular file on the host",
            _ => "does not exist on the host",
        };
        return Err(Failure::new(
            ErrorCode::TransferFailed,
            format!("`{}` {what}", job.spec.remote_path),
        ));
    };
    let size: u64 = length.parse().unwrap_or(0);
    let sum = (sum.len() == 64).then_some(*sum);
    if let Some(sum) = sum
        && target.size == Some(size)
        && target.hash()? == sum
    {
        let changed = match job.spec.mode.filter(|mode| target.mode != Some(*mode)) {
            Some(mode) => fs::set_permissions(&target.path, Permissions::from_mode(mode))
                .map(|()| true)
                .map_err(|error| local(&error, "change the mode of", &target.path))?,
            None => false,
        };
        let mut record = job.record(0, size);
        (record.verified, record.sha256) = (true, Some(sum.to_owned()));
        return Ok(Transferred { record, changed, files: None, warnings: Vec::new() });
    }
    let source_mode = u32::from_str_radix(mode, 8).ok().map(|mode| mode & 0o777);
    let mode = job.spec.mode.or(target.mode).or(source_mode).unwrap_or(0o644);
    let staging = Staging::create(&target.path)?;
    let (found, moved) = receive(job, &path, &staging)?;
    let mut warnings = Vec::new();
    let verified = sum == Some(found.as_str());
    if job.spec.verify && !verified {
        match sum {
            Some(sum) => {
                return Err(Failure::new(
                    ErrorCode::TransferVerifyFailed,
                    format!(
                        "{} arrived damaged: SHA-256 {found} instead of {sum}; the target is untouched",
                        job.subject()
                    ),
                )
                .with_help("try again; another program may write to the file"));
            }
            None => warnings.push(format!(
                "`{}` was not verified: the host offers no program for SHA-256",
                job.spec.remote_path
            )),
        }
    }
    staging.place(&target.path, mode)?;
    let mut record = job.record(moved, moved);
    (record.verified, record.sha256) = (verified, job.spec.verify.then_some(found));
    Ok(Transferred { record, changed: true, files: None, warnings })
}

/// Streams the file into the temporary one; gives its hash and its size.
fn receive(job: &mut Job<'_>, path: &str, staging: &Staging) -> Result<(String, u64), Failure> {
    struct Sink {
        file: File,
        hash: Sha256,
        moved: u64,
        error: Option<io::Error>,
    }
    let file = staging.file.try_clone().map_err(|error| local(&error, "write", &staging.path))?;
    let sink = Rc::new(RefCell::new(Sink { file, hash: Sha256::new(), moved: 0, error: None }));
    let (shared, verify) = (Rc::clone(&sink), job.spec.verify);
    let out = Capture::into_sink(move |bytes| {
        let sink = &mut *shared.borrow_mut();
        if verify {
            sink.hash.update(bytes);
        }
        sink.moved += bytes.len() as u64;
        // A full disk here ends the command there.
        sink.error = sink.file.write_all(bytes).err();
        sink.error.is_none()
    });
    let read = job.capture("exec cat <\"$1\"\n", &[path], out);
    if let Some(error) = sink.borrow_mut().error.take() {
        return Err(local(&error, "write", &staging.path));
    }
    read?;
    let sink = sink.borrow();
    Ok((super::hexadecimal(&sink.hash.clone().finish()), sink.moved))
}

/// By way of a copy that the login user may read: SFTP then does the rest.
fn tree(job: &mut Job<'_>) -> Result<Transferred, Failure> {
    let path = job.remote_path();
    job.with_stage(|job, stage| {
        let staged = format!("{stage}/tree");
        let user =
            job.plainly("mkdir -- \"$1\"; echo \"sshoal-user:$(id -u):$(id -g)\"\n", &[&staged])?;
        let user = user.get("user").unwrap_or_default().to_owned();
        job.script(scripts::LEND, &[&path, &staged, &user])?;
        let mut done = job.transfer(TransferSpec { remote_path: staged, ..job.spec.clone() })?;
        done.record.remote_path.clone_from(&job.spec.remote_path);
        Ok(done)
    })
}

/// What the request's local path means.
struct Target {
    path: PathBuf,
    size: Option<u64>,
    mode: Option<u32>,
}

impl Target {
    fn find(job: &Job<'_>) -> Result<Self, Failure> {
        let path =
            fs::canonicalize(&job.spec.local_path).unwrap_or_else(|_| job.spec.local_path.clone());
        if let Some(above) = path.parent()
            && job.spec.create_dirs
        {
            fs::create_dir_all(above)
                .map_err(|error| local(&error, "create the directory", above))?;
        }
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => {
                let mode = metadata.permissions().mode() & 0o7777;
                Ok(Self { path, size: Some(metadata.len()), mode: Some(mode) })
            }
            Ok(_) => Err(Failure::new(
                ErrorCode::TransferFailed,
                format!("`{}` is no regular file", path.display()),
            )
            .with_help("name the file, as in `local_path: backup/app.conf`")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Self { path, size: None, mode: None })
            }
            Err(error) => Err(local(&error, "look at", &path)),
        }
    }

    fn hash(&self) -> Result<String, Failure> {
        let mut hash = Sha256::new();
        super::read_all(&self.path, |bytes| hash.update(bytes))
            .map_err(|error| local(&error, "read", &self.path))?;
        Ok(super::hexadecimal(&hash.finish()))
    }
}

/// A temporary file beside the target, gone unless it takes the target's place.
struct Staging {
    path: PathBuf,
    file: File,
}

impl Staging {
    fn create(target: &Path) -> Result<Self, Failure> {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let short: String = name.chars().take(40).collect();
        let path =
            target.with_file_name(format!(".{short}.sshoal-{}.part", Uuid::now_v7().simple()));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(|error| {
            let failure = local(&error, "create a file beside", target);
            match error.kind() {
                io::ErrorKind::NotFound => {
                    failure.with_help("set `create_dirs: true` to create the directory")
                }
                _ => failure,
            }
        })?;
        Ok(Self { path, file })
    }

    fn place(self, target: &Path, mode: u32) -> Result<(), Failure> {
        self.file
            .set_permissions(Permissions::from_mode(mode))
            .and_then(|()| fs::rename(&self.path, target))
            .map_err(|error| local(&error, "replace", target))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // After the renaming there is nothing of that name.
        let _ = fs::remove_file(&self.path);
    }
}

fn local(error: &io::Error, what: &str, path: &Path) -> Failure {
    let path = path.display();
    let code = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            ErrorCode::TransferPermission
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorCode::TransferNoSpace,
        _ => ErrorCode::TransferFailed,
    };
    Failure::new(code, format!("cannot {what} `{path}` on this machine: {error}"))
}
