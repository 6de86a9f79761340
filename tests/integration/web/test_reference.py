"""The API reference over HTTP: open to all, with a policy that lets in its own style alone."""

import base64
import hashlib
import re
from pathlib import Path

from tests.support.service import Served, is_problem, served


async def test_the_reference_is_open_and_lets_in_its_own_style_alone(service: Served) -> None:
    first, second = await service.http.get("/docs"), await service.http.get("/docs")
    assert first.status_code == 200
    assert first.content == second.content
    assert first.headers["content-type"] == "text/html; charset=utf-8"
    policy = first.headers["content-security-policy"]
    style = re.search("<style>(.*?)</style>", first.text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert "frame-ancestors 'none'" in policy
    assert first.headers["x-content-type-options"] == "nosniff"


async def test_each_operation_leads_back_to_the_list_of_all(service: Served) -> None:
    page = (await service.http.get("/docs")).text
    operations = re.findall('<article class="operation".*?</article>', page, re.DOTALL)
    assert page.count('id="contents"') == 1
    assert operations
    assert all('href="#contents"' in each for each in operations)


async def test_the_reference_takes_no_parameters_and_no_other_method(service: Served) -> None:
    is_problem(await service.http.get("/docs?x=1"), 400)
    is_problem(await service.http.post("/docs"), 405)


async def test_the_reference_is_there_without_the_dashboard(tmp_path: Path) -> None:
    async with served(tmp_path, WHENFINAL_DASHBOARD="off") as service:
        page = await service.http.get("/docs")
        assert page.status_code == 200
        assert 'href="/ops"' not in page.text
