//! temp
use std::time::{Duration, Instant};
use worker::queue::*;
fn main() {
    let port: u16 = std::env::args().nth(1).unwrap().parse().unwrap();
    let n: usize = std::env::args().nth(2).unwrap().parse().unwrap();
    let server = Server::new("127.0.0.1", port, Duration::from_secs(5)).unwrap();
    let mut c = redis::Client::open(("127.0.0.1", port)).unwrap().get_connection().unwrap();
    redis::cmd("FLUSHALL").exec(&mut c).unwrap();
    let items: Vec<String> = (0..n).map(|i| format!("datasets/training/day-{i:06}.pkl")).collect();
    for chunk in items.chunks(1000) {
        redis::cmd("RPUSH").arg("datasets").arg(chunk).exec(&mut c).unwrap();
    }
    let start = Instant::now();
    let hs: Vec<_> = (0..64)
        .map(|i| {
            let server = server.clone();
            std::thread::spawn(move || {
                let mut q =
                    Queue::new(&server, &format!("b50f9459-ce7f-4da8-9f84-0ab5c3233a{i:02}"), Duration::from_secs(20));
                let mut k = 0;
                let mut tc = Duration::ZERO;
                loop {
                    let t = Instant::now();
                    match q.claim().unwrap() {
                        Claimed::Item(c) => {
                            tc += t.elapsed();
                            k += 1;
                            assert!(q.complete(&c).unwrap());
                        }
                        Claimed::Nothing { .. } => break,
                    }
                }
                (k, tc)
            })
        })
        .collect();
    let r: Vec<(usize, Duration)> = hs.into_iter().map(|h| h.join().unwrap()).collect();
    let s = start.elapsed().as_secs_f64();
    let total: usize = r.iter().map(|x| x.0).sum();
    println!(
        "{total} claimed+completed in {s:.3}: {:.0} ops/s ({:.0} claims/s)",
        2.0 * total as f64 / s,
        total as f64 / s
    );
    let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut c).unwrap();
    for l in stats.lines().filter(|l| l.contains("eval")) {
        println!("{l}");
    }
}
