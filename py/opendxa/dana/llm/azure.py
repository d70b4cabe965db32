"""OpenAI's models as Azure serves them: one address per deployment, and a key of Azure's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import quote, urlencode

from .openai_compatible import OpenAICompatible

if TYPE_CHECKING:
    from .provider import Request

__all__ = ["API_VERSION", "AzureOpenAI"]

API_VERSION: Final = "2024-10-21"


class AzureOpenAI(OpenAICompatible):
    """A deployment of Azure OpenAI. `endpoint` is such as ``https://NAME.openai.azure.com``.

    The further arguments are those of `OpenAICompatible`; its `models` are further deployments. For Microsoft
    Entra ID, leave out `api_key` and give ``headers={"Authorization": "Bearer ..."}``.
    """

    provider_name: ClassVar[str] = "azure.ai.openai"
    _key_variable: ClassVar[str] = "AZURE_OPENAI_API_KEY"

    def __init__(
        self,
        deployment: str,
        endpoint: str,
        api_key: str | None = None,
        *,
        api_version: str = API_VERSION,
        **settings: Any,
    ) -> None:
        super().__init__(deployment, endpoint, api_key, **settings)
        self.api_version = api_version

    @property
    def cache_identity(self) -> str:
        """What a cache tells this provider apart by, besides the model."""
        return f"{super().cache_identity} {self.api_version}"

    def _authorization(self, api_key: str | None) -> dict[str, str]:
        return {"api-key": api_key} if api_key else {}

    def _url(self, model: str) -> str:
        base = self.base_url.removesuffix("/openai")
        version = urlencode({"api-version": self.api_version})
        return f"{base}/openai/deployments/{quote(model, safe='')}/chat/completions?{version}"

    def _body(self, request: Request, model: str) -> dict[str, Any]:
        body = super()._body(request, model)
        del body["model"]  # the address names it
        return body
