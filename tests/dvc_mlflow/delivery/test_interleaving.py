"""Whatever is recorded, delivered and killed in whatever order, each result ends up in MLflow once, whole."""

import contextlib
import itertools
import shutil

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from dvc_mlflow import records
from dvc_mlflow.delivery import deliver as delivery
from dvc_mlflow.delivery import memory
from tracking import SHOWN, collected, shown

CS = (0.1, 0.2)
NEVER = 10**6  # calls
EXPERIMENTS = itertools.count()

# What is done: record one of the results or deliver all, to the end or until a kill at some call.
ACTIONS = st.tuples(st.sampled_from([*CS, "deliver"]), st.one_of(st.just(NEVER), st.integers(0, 30)))


class Kill:
    """Lets so many calls pass; the next one, and each after it, raises: nothing is put in order any more."""

    def __init__(self, calls):
        self.calls = calls

    def at(self, function):
        def call(*words, **options):
            if self.calls == 0:
                raise KeyboardInterrupt
            self.calls -= 1
            return function(*words, **options)

        return call


class Dying:
    """A client of MLflow whose process is killed at a call."""

    def __init__(self, client, kill):
        self.client, self.kill = client, kill

    def __getattr__(self, name):
        value = getattr(self.client, name)
        return self.kill.at(value) if callable(value) else value


def act(root, what, calls, experiment):
    """Record or deliver, killed at a call: of the disk when recording, of the store when delivering."""
    kill = Kill(calls)
    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
        if what != "deliver":
            patch.setattr(records, "write_atomically", kill.at(records.write_atomically))
            patch.setattr(shutil, "rmtree", kill.at(shutil.rmtree))
            records.save_record(collected(what, experiment), root)
            return
        patch.setattr(memory.Memory, "save", kill.at(memory.Memory.save))
        open_client = delivery.open_client
        patch.setattr(delivery, "open_client", lambda *words: Dying(open_client(*words), kill))
        delivery.deliver(root, SHOWN)


@pytest.mark.slow
@settings(  # without shrinking, which takes minutes
    max_examples=6,
    derandomize=True,
    phases=[Phase.generate],
)
@given(actions=st.lists(ACTIONS, min_size=3, max_size=5))
def test_any_interleaving_of_record_deliver_and_kill_ends_with_each_result_once(
    actions, tmp_path_factory, store
):
    folder = store_of_examples(tmp_path_factory, store)
    experiment = f"interleaving {next(EXPERIMENTS)}"
    root = tmp_path_factory.mktemp("interleaving")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        for what, calls in [*actions, *((C, NEVER) for C in CS), ("deliver", NEVER)]:
            act(root, what, calls, experiment)
        ended = shown(root, experiment)[experiment]
        act(root, "deliver", NEVER, experiment)
        assert shown(root, experiment)[experiment] == ended
    assert [run["name"] for run in ended] == ["C=0.1", "C=0.2"]
    for run in ended:
        assert run["status"] == "FINISHED"
        assert len(run["artifacts"]) == 7
        assert run["models"] == [("model", "READY")]


def store_of_examples(tmp_path_factory, store):
    """Return the folder of one store for all examples: MLflow takes a second to open another file."""
    folder = tmp_path_factory.getbasetemp() / "store of examples"
    if not folder.exists():
        folder.mkdir()
        shutil.copy(store, folder)
    return folder
