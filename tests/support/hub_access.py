"""Who may read and write what on the test Hub."""

from __future__ import annotations

from dataclasses import dataclass

from hub_messages import HubError, Request
from hub_repositories import Repository, Store


@dataclass(frozen=True)
class Token:
    """What a token is good for.

    `role` is "write", "read" or "none" (a fine-grained token with no permission on any
    repository). `granted` names gated repositories whose conditions the user has accepted.
    """

    user: str
    role: str = "write"
    organizations: tuple[str, ...] = ()
    granted: tuple[str, ...] = ()

    def owns(self, name: str) -> bool:
        return name.partition("/")[0] in (self.user, *self.organizations)


TOKENS = {
    "hf_write": Token("tester", "write", ("pag-tf",)),
    "hf_read": Token("tester", "read", ("pag-tf",)),
    "hf_none": Token("tester", "none", ("pag-tf",)),
    "hf_stranger": Token("stranger", "write"),
}


class Access:
    """Checks of the token of a request. All raise the refusals of the real Hub."""

    def __init__(self, store: Store, tokens: dict[str, Token]):
        self.store = store
        self.tokens = tokens

    def token(self, request: Request) -> Token | None:
        """The token sent along, None without one."""
        header = request.headers.get("authorization")
        if header is None:
            return None
        scheme, _, value = header.partition(" ")
        if scheme.lower() != "bearer" or value not in self.tokens:
            raise HubError(401, "Invalid credentials in Authorization header")
        return self.tokens[value]

    def user(self, request: Request) -> Token:
        token = self.token(request)
        if token is None:
            raise HubError(401, "Invalid username or password.")
        return token

    def may_see(self, token: Token | None, repository: Repository) -> bool:
        if not repository.private:
            return True
        return token is not None and token.role != "none" and token.owns(repository.id)

    def read(self, request: Request, name: str) -> Repository:
        """The repository, for its name, files' names and the like."""
        token = self.token(request)
        repository = self.store.repositories.get(name)
        if repository is not None and self.may_see(token, repository):
            return repository
        # Whoever may not know that it exists hears the same as for one that does not.
        if token is None:
            raise HubError(401, "Invalid username or password.", "RepoNotFound")
        if repository is None or not token.owns(name):
            raise HubError(404, "Repository not found", "RepoNotFound")
        raise HubError(403, f"Forbidden: this token has no permission to read {name}")

    def download(self, request: Request, name: str) -> Repository:
        """The repository, for the contents of its files."""
        repository = self.read(request, name)
        token = self.token(request)
        if repository.gated and not (token and (token.owns(name) or name in token.granted)):
            raise HubError(
                403 if token else 401,
                f"Access to model {name} is restricted. You must have access to it and be"
                " authenticated to access it.",
                "GatedRepo",
            )
        return repository

    def write(self, request: Request, name: str) -> Repository:
        """The repository, to change it."""
        if self.token(request) is None:
            raise HubError(401, "Invalid username or password.", "RepoNotFound")
        repository = self.read(request, name)
        self.own(request, name)
        return repository

    def own(self, request: Request, name: str) -> Token:
        """The token, if it may write in the namespace of `name`."""
        token = self.user(request)
        if token.role != "write":
            raise HubError(403, f"Forbidden: you must use a write token to change {name}")
        if not token.owns(name):
            namespace = name.partition("/")[0]
            raise HubError(403, f"You don't have the rights to write under {namespace!r}")
        return token
