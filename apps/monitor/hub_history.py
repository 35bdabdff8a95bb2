"""The history's copy in a data set repository of the Hub, because a free host's disk does not last."""

import tempfile
from pathlib import Path

import httpx2
from huggingface_hub import HfApi
from huggingface_hub.errors import EntryNotFoundError, HFValidationError, LocalEntryNotFoundError

from apps.monitor import history
from apps.monitor.history import History, HistoryError
from upscaler.errors import DoubleResolutionError

FILE = "history.csv"


class HubHistoryError(DoubleResolutionError):
    """The copy on the Hub cannot be read or written."""


class HubHistoryMissingError(HubHistoryError):
    """The copy on the Hub cannot be read or written any more until the program is restarted."""


class HubHistory:
    """One CSV in one repository, in which the rows of all who write there meet."""

    def __init__(self, repo: str, api: HfApi | None = None) -> None:
        """`repo`: user/name; `api`: the Hub's client, with the token of the environment by default."""
        self._repo = repo
        self._api = api or HfApi()

    def exchange(self, here: History) -> None:
        """Take the rows that only the copy has, and give it those that only we have, in one commit.

        Raises HubHistoryError, with the history as it was or with more rows.
        """
        try:
            self._api.create_repo(self._repo, repo_type="dataset", exist_ok=True)
            parent = self._api.dataset_info(self._repo).sha
            there = self._there(parent)
            here.add(there, replace=False)
            if set(here.rows()) != set(there):
                self._give(history.to_csv(here.rows()), parent)
        except (httpx2.HTTPError, HFValidationError, LocalEntryNotFoundError, HistoryError, OSError) as error:
            first_line = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise HubHistoryError(
                f"the history's copy {self._repo} on the Hub is not up to date: {first_line}"
            ) from error

    def _there(self, revision: str | None) -> list[history.Row]:
        with tempfile.TemporaryDirectory() as folder:  # the client's own cache may be on a disk that is read only
            try:
                path = self._api.hf_hub_download(
                    self._repo, FILE, repo_type="dataset", revision=revision, local_dir=folder
                )
            except LocalEntryNotFoundError:  # the Hub cannot be reached, which is not the same as an empty repository
                raise
            except EntryNotFoundError:
                return []
            with Path(path).open(encoding="utf-8", errors="replace") as file:
                return history.from_csv(file.read(history.LONGEST_CSV + 1))

    def _give(self, csv: str, parent: str | None) -> None:
        """Upload in one commit on top of `parent`; the Hub refuses it if another writer was faster."""
        self._api.upload_file(
            path_or_fileobj=csv.encode(),
            path_in_repo=FILE,
            repo_id=self._repo,
            repo_type="dataset",
            commit_message="Add measurements",
            parent_commit=parent,
        )
