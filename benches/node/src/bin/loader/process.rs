//! What Linux says a process has used.

use std::fs;
use std::io;

/// Seconds of processor time of all threads of `pid`, to the nanosecond for those that sleep.
pub(crate) fn cpu_seconds(pid: u32) -> io::Result<f64> {
    let mut nanos = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        nanos += number(text.split(' ').next())?;
    }
    Ok(nanos as f64 / 1e9)
}

/// The same with what threads have used that are gone, and to the hundredth of a second only.
pub(crate) fn rough_cpu_seconds(pid: u32) -> io::Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // After the name, which may have spaces in it: utime and stime are the 14th and 15th of all.
    let fields = text.rsplit(')').next().unwrap_or_default();
    let mut times = fields.split_whitespace().skip(11);
    Ok((number(times.next())? + number(times.next())?) as f64 / 100.0)
}

/// Bytes of memory `pid` has resident.
pub(crate) fn resident(pid: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = number(line.and_then(|line| line.split_whitespace().next()))?;
    Ok(kib * 1024)
}

fn number(text: Option<&str>) -> io::Result<u64> {
    text.and_then(|text| text.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no number where one was"))
}
