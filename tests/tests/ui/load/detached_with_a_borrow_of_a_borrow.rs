use cache_runtime::cached;

#[cached(ttl = "5m", key = "join", skip = [words], detach = true)]
async fn join(words: &[&str]) -> String {
    words.concat()
}

fn main() {}
