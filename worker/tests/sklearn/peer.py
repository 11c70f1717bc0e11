"""The scikit-learn side of sklearn.rs. Usage: python peer.py COMMAND DIRECTORY; prints one line of JSON.

The directory holds test.csv, or test.pkl instead, and days as *.day.csv: tables of the tutorial's columns. Any warning is an error, but for
the one that scikit-learn gives when another version than 1.5.2 loads a checkpoint.
"""

import json
import pathlib
import pickle
import sys
import warnings

import numpy
import pandas
import sklearn
from sklearn import metrics
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, InconsistentVersionWarning
from sklearn.linear_model import SGDClassifier

OBJECTS = ["CUSTOMER_ID", "TERMINAL_ID", "TX_TIME_SECONDS", "TX_TIME_DAYS"]
LABEL = "TX_FRAUD_SCENARIO"

warnings.simplefilter("error")
if sklearn.__version__ != "1.5.2":
    warnings.simplefilter("ignore", InconsistentVersionWarning)


def read_csv(path):
    """A table of numbers, to the last bit; newer pandas warns that it always reads so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pandas.read_csv(path, float_precision="round_trip")


def table(path):
    """Features and labels as the tutorial's code makes them of a table."""
    if path.with_suffix(".pkl").exists():
        frame = pandas.read_pickle(path.with_suffix(".pkl"))
    else:
        frame = read_csv(path).astype({name: object for name in OBJECTS})
    return frame.drop(LABEL, axis=1), frame[LABEL]


def answers(classifier, directory):
    """What the classifier says of the test day; decision values as their bits."""
    features, _ = table(directory / "test.csv")
    decisions = numpy.ascontiguousarray(classifier.decision_function(features))
    return {
        "classes": [int(label) for label in classifier.predict(features)],
        "decisions": [format(bits, "016x") for bits in decisions.view(numpy.uint64).ravel().tolist()],
    }


def dtypes(classifier):
    """What each array of the classifier consists of."""
    arrays = {name: value for name, value in vars(classifier).items() if isinstance(value, numpy.ndarray)}
    return {name: f"{array.dtype} {array.shape}" for name, array in arrays.items()}


def answer(directory):
    """Loads the worker's checkpoint and asks it."""
    return answers(pickle.loads((directory / "checkpoint.pkl").read_bytes()), directory)


def load(directory):
    """Loads the worker's checkpoint, uses it, and goes on training it."""
    classifier = pickle.loads((directory / "checkpoint.pkl").read_bytes())
    said = answers(classifier, directory)
    said["type"] = f"{type(classifier).__module__}.{type(classifier).__name__}"
    said["version"] = sklearn.__version__
    said["repr"] = repr(classifier)
    said["unlike_defaults"] = sorted(
        name for name, value in SGDClassifier().get_params().items() if classifier.get_params()[name] != value
    )
    copy = clone(classifier)
    said["clone_is_unfitted"] = not hasattr(copy, "coef_") and not hasattr(copy, "checkpoint_metadata_")
    fresh = SGDClassifier().partial_fit(*table(directory / "test.csv"), classes=[0, 1, 2, 3])
    said["missing"] = sorted(set(vars(fresh)) - set(vars(classifier)))
    said["dtypes"], said["fresh_dtypes"] = dtypes(classifier), dtypes(fresh)
    said["metadata"] = json.loads(classifier.checkpoint_metadata_)
    (directory / "kept.pkl").write_bytes(pickle.dumps(classifier))
    before = classifier.t_
    features, labels = table(next(directory.glob("*.day.csv")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        said["fit_from_nothing"] = hasattr(copy.set_params(max_iter=5).fit(features, labels), "coef_")
    classifier.partial_fit(features, labels)
    said["learned_rows"] = classifier.t_ - before
    said["rows"] = len(labels)
    (directory / "trained.pkl").write_bytes(pickle.dumps(classifier))
    said["trained"] = answers(classifier, directory)
    return said


def original(directory):
    """Trains as the tutorial's worker does, newest day first, and leaves its checkpoint."""
    classifier = SGDClassifier(random_state=1)
    for day in sorted(directory.glob("*.day.csv"), reverse=True):
        classifier.partial_fit(*table(day), classes=[0, 1, 2, 3])
    for protocol in range(2, 6):
        (directory / f"original{protocol}.pkl").write_bytes(pickle.dumps(classifier, protocol=protocol))
    return answers(classifier, directory)


def judge(directory):
    """Figures of predictions: predictions.csv has columns label, predicted, score."""
    rows = read_csv(directory / "predictions.csv")
    label, predicted = rows["label"], rows["predicted"]
    classes = {"labels": [0, 1, 2, 3], "average": None, "zero_division": 0}
    return {
        "accuracy": metrics.accuracy_score(label, predicted),
        "confusion": metrics.confusion_matrix(label, predicted, labels=[0, 1, 2, 3]).tolist(),
        "recall": metrics.recall_score(label, predicted, **classes).tolist(),
        "precision": metrics.precision_score(label, predicted, **classes).tolist(),
        "fraud_recall": metrics.recall_score(label > 0, predicted > 0),
        "fraud_precision": metrics.precision_score(label > 0, predicted > 0),
        "auc": metrics.roc_auc_score(label > 0, rows["score"]),
    }


if __name__ == "__main__":
    commands = {"answer": answer, "load": load, "original": original, "judge": judge}
    print(json.dumps(commands[sys.argv[1]](pathlib.Path(sys.argv[2]))))
