//! What a person would type on target `local` for each step of the flow, beside the tutorial's own commands.

use crate::target::Commands;

/// By the step's name; the variables are those of the first one.
pub const COMMANDS: &[Commands] = &[
    Commands { step: "environment", typed: "LAB=~/.local/state/batch-ml-lab/default; mkdir -p $LAB" },
    Commands { step: "volume", typed: "mkdir -p $LAB/share" },
    Commands {
        step: "claim",
        typed: "touch $LAB/share/probe && mv $LAB/share/probe $LAB/share/probe2 && rm $LAB/share/probe2",
    },
    Commands {
        step: "redis",
        typed: "mkdir -p $LAB/redis\nsetsid redis-server --bind 127.0.0.1 --port PORT --dir $LAB/redis --appendonly yes --save '' &",
    },
    Commands {
        step: "datasets",
        typed: "cargo xtask data generate --days 4 --out $LAB/share/datasets\n(or: cp -r DIR $LAB/share/datasets)",
    },
    Commands {
        step: "queue",
        typed: "redis-cli -p PORT FLUSHDB\ncd $LAB/share && redis-cli -p PORT RPUSH datasets datasets/training/*.pkl",
    },
    Commands { step: "service", typed: "redis-cli -h 127.0.0.1 -p PORT PING" },
    Commands {
        step: "job",
        typed: "REDIS_SERVICE_HOST=127.0.0.1 REDIS_SERVICE_PORT=PORT FILESTORE_PATH=$LAB/share worker\n\
                (again while it fails: at once, then after 10 s, 20 s, 40 s …; six failures end the Job)",
    },
    Commands {
        step: "watch",
        typed: "redis-cli -p PORT LLEN datasets; redis-cli -p PORT LRANGE datasets:processing 0 -1",
    },
    Commands { step: "logs", typed: "cargo xtask lab logs" },
    Commands { step: "listing", typed: "ls -1 $LAB/share/output" },
    Commands { step: "report", typed: "cat $LAB/share/output/report.txt" },
    Commands { step: "clean-up", typed: "redis-cli -p PORT SHUTDOWN NOSAVE; rm -r $LAB" },
];
