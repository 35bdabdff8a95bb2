"""Copy of the history in a dataset repository on the Hub, because the disks of free hosts are not persistent."""

import tempfile
from pathlib import Path

import httpx2
from huggingface_hub import HfApi
from huggingface_hub.errors import EntryNotFoundError, HFValidationError, LocalEntryNotFoundError

from apps.monitor import history
from apps.monitor.history import History, HistoryError
from upscaler.errors import DoubleResolutionError
from upscaler.quoting import first_line

FILE = "history.csv"


class HubHistoryError(DoubleResolutionError):
    """Error for a copy on the Hub that cannot be read or written."""


class HubHistoryMissingError(HubHistoryError):
    """Error for a copy on the Hub that cannot be used until the program is restarted."""


class HubHistory:
    """CSV file in a repository that merges the rows of all its writers."""

    def __init__(self, repo: str, api: HfApi | None = None) -> None:
        """Set the repository, user/name, and the Hub's client, by default with the environment's token."""
        self._repo = repo
        self._api = api or HfApi()

    def exchange(self, here: History) -> None:
        """Add the copy's rows to `here`, and those missing in the copy to it, in one commit.

        Raises HubHistoryError; then `here` may have some or all of the copy's rows.
        """
        try:
            self._api.create_repo(self._repo, repo_type="dataset", exist_ok=True)
            parent = self._api.dataset_info(self._repo).sha
            copied = self._download(parent)
            here.add(copied, replace=False)
            if set(here.rows()) != set(copied):
                self._upload(history.to_csv(here.rows()), parent)
        except (httpx2.HTTPError, HFValidationError, LocalEntryNotFoundError, HistoryError, OSError) as error:
            raise HubHistoryError(
                f"the history's copy {self._repo} on the Hub is not up to date: {first_line(error)}"
            ) from error

    def _download(self, revision: str | None) -> list[history.Row]:
        with tempfile.TemporaryDirectory() as folder:  # the client's cache may be on a read-only disk
            try:
                path = self._api.hf_hub_download(
                    self._repo, FILE, repo_type="dataset", revision=revision, local_dir=folder
                )
            except LocalEntryNotFoundError:  # an EntryNotFoundError that means that the Hub is unreachable
                raise
            except EntryNotFoundError:
                return []
            with Path(path).open(encoding="utf-8", errors="replace") as file:
                return history.from_csv(file.read(history.LONGEST_CSV + 1))

    def _upload(self, csv: str, parent: str | None) -> None:
        """Upload the CSV in a commit on `parent`; the Hub refuses it if another writer committed first."""
        self._api.upload_file(
            path_or_fileobj=csv.encode(),
            path_in_repo=FILE,
            repo_id=self._repo,
            repo_type="dataset",
            commit_message="Add measurements",
            parent_commit=parent,
        )
