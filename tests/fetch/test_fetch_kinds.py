"""Each kind of source against the fake internet: what it gives, and what its second run asks."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sys
import tarfile

import pytest
from fetch_internet import Reply, page, redirect

from ctimine.archive import Archive
from ctimine.errors import InputError
from ctimine.fetch.attack import fetch_releases
from ctimine.fetch.sitemaps import read_sitemap
from ctimine.fetch.sources import load_sources
from ctimine.model import Source

SITE = "https://site.example"


def items(found):
    return sorted(snapshot.item for snapshot in found)


def sitemap(*urls, index=False, lastmod=""):
    outer, inner = ("sitemapindex", "sitemap") if index else ("urlset", "url")
    when = f"<lastmod>{lastmod}</lastmod>" if lastmod else ""
    rows = "".join(f"<{inner}><loc>{url}</loc>{when}</{inner}>" for url in urls)
    return f'<{outer} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{rows}</{outer}>'


# -- pages


def test_a_list_of_pages_is_asked_for_conditionally_the_second_time(internet, fetching, tmp_path):
    urls = tuple(f"{SITE}/{n}" for n in range(3))
    for url in urls:
        internet.at(url, Reply(b"<p>x</p>" + url.encode(), headers={"ETag": f'"{url[-1]}"'}))
    source = Source("p", kind="page", url=urls[0], options=(("urls", urls[1:]),))
    with Archive(tmp_path / "a") as archive:
        assert items(fetching(archive).fetch(source)) == list(urls)
        again = fetching(archive)
        assert list(again.fetch(source)) == []
        assert again.account.not_modified == 3
        assert again._web.bodies == 0


def test_a_saved_page_asks_for_nothing_and_keeps_its_address(internet, fetching, tmp_path):
    (tmp_path / "saved.html").write_text("<p>x</p>")
    options = (("file", str(tmp_path / "saved.html")),)
    (found,) = fetching().fetch(Source("p", kind="page", url=f"{SITE}/x", options=options))
    assert (found.body, found.url) == (b"<p>x</p>", f"{SITE}/x")
    assert internet.hits == []


def test_a_content_of_the_same_bytes_is_not_modified_even_without_validators(
    internet, fetching, tmp_path
):
    internet.at(f"{SITE}/x", page("<p>x</p>"))
    source = Source("p", kind="page", url=f"{SITE}/x")
    with Archive(tmp_path / "a") as archive:
        list(fetching(archive).fetch(source))
        again = fetching(archive)
        assert list(again.fetch(source)) == []
        assert again.account.not_modified == 1


# -- sites


def test_a_packed_sitemap_index_leads_to_the_included_pages(internet, fetching):
    internet.at(f"{SITE}/robots.txt", f"User-agent: *\nSitemap: {SITE}/index.xml".encode())
    internet.at(f"{SITE}/index.xml", sitemap(f"{SITE}/one.xml.gz", index=True).encode())
    packed = gzip.compress(sitemap(f"{SITE}/blog/a", f"{SITE}/shop/b").encode())
    internet.at(f"{SITE}/one.xml.gz", Reply(packed, headers={"Content-Type": "application/gzip"}))
    internet.at(f"{SITE}/blog/a", page())
    source = Source("s", kind="site", url=SITE, options=(("include", ("/blog/*",)),))
    fetcher = fetching()
    assert items(fetcher.fetch(source)) == [f"{SITE}/blog/a"]
    assert dict(fetcher.account.skipped) == {"excluded": 1}
    assert not internet.asked("/shop/")


def test_a_page_with_a_known_date_is_not_asked_for_again(internet, fetching, tmp_path):
    internet.at(f"{SITE}/sitemap.xml", sitemap(f"{SITE}/a", lastmod="2024-03-05").encode())
    internet.at(f"{SITE}/a", page())
    source = Source("s", kind="site", url=f"{SITE}/sitemap.xml")
    with Archive(tmp_path / "a") as archive:
        assert items(fetching(archive).fetch(source)) == [f"{SITE}/a"]
        internet.hits.clear()
        assert items(fetching(archive).fetch(source)) == []
        assert not internet.asked("site.example/a")
        internet.at(f"{SITE}/sitemap.xml", sitemap(f"{SITE}/a", lastmod="2024-03-06").encode())
        internet.at(f"{SITE}/a", page("<p>edited</p>"))
        assert items(fetching(archive).fetch(source)) == [f"{SITE}/a"]


def test_what_the_page_limit_cuts_off_comes_in_the_next_run(internet, fetching, tmp_path):
    urls = [f"{SITE}/{n}" for n in range(7)]
    internet.host("site.example", lambda hit: page(hit.target))
    internet.at(f"{SITE}/sitemap.xml", Reply(sitemap(*urls).encode(), headers={"ETag": '"1"'}))
    source = Source("s", kind="site", url=f"{SITE}/sitemap.xml", options=(("max_pages", 5),))
    with Archive(tmp_path / "a") as archive:
        first = items(fetching(archive).fetch(source))
        second = items(fetching(archive).fetch(source))
        assert len(first) == 4
        assert sorted(first + second) == sorted(urls)


def test_addresses_of_a_plain_sitemap_are_taken_as_they_are_written():
    found = read_sitemap(b"https://blog.example/?n=1&copy=2\nhttps://blog.example/b\n")
    assert [place.url for place in found.pages] == [
        "https://blog.example/?n=1&copy=2",
        "https://blog.example/b",
    ]


def test_a_sitemap_brings_in_no_pages_of_other_hosts(internet, fetching):
    internet.at(f"{SITE}/sitemap.xml", sitemap("https://other.example/a").encode())
    internet.at("https://other.example/a", page())
    assert items(fetching().fetch(Source("s", kind="site", url=f"{SITE}/sitemap.xml"))) == []
    assert not internet.asked("other.example")


def test_an_index_page_is_followed_through_its_further_pages(internet, fetching, tmp_path):
    def listing(hit):
        number = int(hit.target.rpartition("=")[2] or 1) if "=" in hit.target else 1
        more = f'<a rel="next" href="/blog?p={number + 1}">older</a>' if number < 3 else ""
        return page(f'<a href="/blog/r{number}">r</a><a href="/about">about</a>{more}')

    internet.at(f"{SITE}/blog", listing)
    for number in (2, 3):
        internet.at(f"{SITE}/blog?p={number}", listing)
    for number in (1, 2, 3):
        internet.at(f"{SITE}/blog/r{number}", page(f"<p>{number}</p>"))
    source = Source("s", kind="site", url=f"{SITE}/blog", options=(("links", ("/blog/*",)),))
    with Archive(tmp_path / "a") as archive:
        assert items(fetching(archive).fetch(source)) == [f"{SITE}/blog/r{n}" for n in (1, 2, 3)]
        again = fetching(archive)
        assert list(again.fetch(source)) == []
        assert not internet.asked("/about")


def test_a_crawl_stays_on_its_host_and_asks_for_no_body_the_second_time(
    internet, fetching, tmp_path
):
    def tagged(text):
        return Reply(
            text.encode(), headers={"ETag": f'"{hash(text)}"', "Content-Type": "text/html"}
        )

    internet.at(f"{SITE}/", tagged('<a href="/a">a</a><a href="https://other.example/">o</a>'))
    internet.at(f"{SITE}/a", tagged('<p>alpha</p><a href="/b">b</a>'))
    internet.at(f"{SITE}/b", tagged("<p>beta</p>"))
    source = Source("s", kind="site", url=f"{SITE}/", options=(("crawl", True),))
    with Archive(tmp_path / "a") as archive:
        assert len(list(fetching(archive).fetch(source))) == 3
        again = fetching(archive)
        assert list(again.fetch(source)) == []
        assert again.account.not_modified == 3
        assert again._web.bodies == 0


# -- Medium


def test_a_medium_post_has_the_address_of_the_article_and_its_text_from_the_feed(
    internet, fetching
):
    post = (
        "<item><title>Post</title><guid>https://medium.com/p/0123456789ab</guid>"
        "<link>https://medium.com/@me/a-post-0123456789ab?source=rss-1</link>"
        '<content:encoded><![CDATA[<figure><img src="https://cdn-images-1.medium.com/x.png"></figure>'
        "<p>Text</p>]]></content:encoded></item>"
    )
    feed = (
        '<rss xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><title>M</title>'
        f"{post}</channel></rss>"
    )
    internet.at("https://medium.com/feed/@me", feed.encode())
    (found,) = fetching().fetch(Source("m", kind="medium", url="https://medium.com/@me"))
    assert found.url == "https://medium.com/@me/a-post-0123456789ab"
    assert b"<p>Text</p>" in found.body
    assert not internet.asked("a-post")


# -- GitHub

API = "https://api.github.com/repos/me/cti"
REPOSITORY = Source("g", kind="github", url="https://github.com/me/cti")


def sha(text):
    return hashlib.sha1(text.encode()).hexdigest()


def github(internet, files, commit="c1"):
    head = {
        "sha": sha(commit),
        "commit": {
            "tree": {"sha": sha(commit + "tree")},
            "committer": {"date": "2024-03-05T00:00:00Z"},
        },
    }
    internet.at(
        f"{API}/commits/HEAD", Reply(json.dumps(head).encode(), headers={"ETag": f'"{commit}"'})
    )
    tree = [
        {"path": path, "type": "blob", "mode": "100644", "sha": sha(text), "size": len(text)}
        for path, text in files.items()
    ]
    listing = json.dumps({"tree": tree, "truncated": False}).encode()
    internet.at(f"{API}/git/trees/{sha(commit + 'tree')}?recursive=1", listing)
    for path, text in files.items():
        raw = f"https://raw.githubusercontent.com/me/cti/{sha(commit)}/{path}"
        internet.at(raw, text.encode())
        internet.at(f"{API}/git/blobs/{sha(text)}", text.encode())
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(f"me-cti-{commit}/{path}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    to = f"https://codeload.github.com/me/cti/{sha(commit)}?token=short-lived-secret"
    internet.at(f"{API}/tarball/{sha(commit)}", redirect(to))
    internet.at(to, packed.getvalue())


@pytest.mark.parametrize("count", [3, 40])
def test_a_repository_gives_its_documents_and_then_only_what_changed(
    internet, fetching, tmp_path, monkeypatch, count
):
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    files = {f"r/{n}.md": f"# Report {n}" for n in range(count)}
    github(internet, {**files, "logo.png": "png", "x.py": "code", "node_modules/a.md": "x"})
    with Archive(tmp_path / "a") as archive:
        assert items(fetching(archive).fetch(REPOSITORY)) == sorted(files)
        again = fetching(archive)
        assert list(again.fetch(REPOSITORY)) == []
        assert again._web.bodies == 0
        github(internet, {**files, "r/0.md": "# Edited", "new.md": "# New"}, commit="c2")
        changed = fetching(archive)
        assert items(changed.fetch(REPOSITORY)) == ["new.md", "r/0.md"]
        assert changed.account.not_modified == count - 1


def test_a_token_goes_to_the_interface_and_not_to_where_it_redirects(
    internet, fetching, monkeypatch
):
    monkeypatch.setenv("GITHUB_TOKEN", "ghp_verysecretvalue")
    github(internet, {f"r/{n}.md": f"# Report {n}" for n in range(40)})
    assert len(list(fetching().fetch(REPOSITORY))) == 40
    with_token = {hit.host for hit in internet.hits if "authorization" in hit.headers}
    assert with_token == {"api.github.com"}
    assert internet.asked("codeload")


def test_a_used_up_rate_limit_is_named_with_its_time(internet, fetching):
    limits = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "4000000000"}
    internet.at(f"{API}/commits/HEAD", Reply(b"{}", 403, limits))
    fetcher = fetching()
    assert list(fetcher.fetch(REPOSITORY)) == []
    assert dict(fetcher.account.failed) == {"rate limited": 1}
    assert len(internet.hits) == 1


def test_a_truncated_tree_is_walked_folder_by_folder(internet, fetching, monkeypatch):
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    github(internet, {"a/b.md": "# B"})
    root = sha("c1tree")
    internet.at(
        f"{API}/git/trees/{root}?recursive=1", json.dumps({"tree": [], "truncated": True}).encode()
    )
    top = {"tree": [{"path": "a", "type": "tree", "sha": sha("a")}]}
    inner = {"tree": [{"path": "b.md", "type": "blob", "sha": sha("# B"), "size": 3}]}
    internet.at(f"{API}/git/trees/{root}", json.dumps(top).encode())
    internet.at(f"{API}/git/trees/{sha('a')}", json.dumps(inner).encode())
    assert items(fetching().fetch(REPOSITORY)) == ["a/b.md"]


# -- GitLab

PROJECT = Source("g", kind="gitlab", url="https://gitlab.com/lab/cti/reports")


def gitlab(internet, files, commit="c1", host="gitlab.com"):
    api = f"https://{host}/api/v4/projects/lab%2Fcti%2Freports/repository"
    head = {"id": sha(commit), "committed_date": "2024-03-05T01:00:00.000+01:00"}
    internet.at(
        f"{api}/commits/HEAD", Reply(json.dumps(head).encode(), headers={"ETag": f'"{commit}"'})
    )
    rows = [{"id": sha("r"), "name": "r", "type": "tree", "path": "r", "mode": "040000"}]
    rows += [
        {
            "id": sha(text),
            "name": path.rpartition("/")[2],
            "type": "blob",
            "path": path,
            "mode": "100644",
        }
        for path, text in files.items()
    ]
    for at in range(0, len(rows) + 1, 100):
        query = f"recursive=true&ref={sha(commit)}&per_page=100&page={at // 100 + 1}"
        internet.at(f"{api}/tree?{query}", json.dumps(rows[at : at + 100]).encode())
    for text in files.values():
        internet.at(f"{api}/blobs/{sha(text)}/raw", text.encode())
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(f"reports-{sha(commit)}/{path}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    internet.at(f"{api}/archive.tar.gz?sha={sha(commit)}", packed.getvalue())


@pytest.mark.parametrize("count", [3, 40, 230])
def test_a_project_gives_its_documents_and_then_only_what_changed(
    internet, fetching, tmp_path, count
):
    files = {f"r/{n}.md": f"# Report {n}" for n in range(count)}
    gitlab(internet, {**files, "logo.png": "png", "x.py": "code", "node_modules/a.md": "x"})
    with Archive(tmp_path / "a") as archive:
        found = list(fetching(archive).fetch(PROJECT))
        assert items(found) == sorted(files)
        assert all(one.url == f"{PROJECT.url}/-/blob/HEAD/{one.item}" for one in found)
        assert bool(internet.asked("archive.tar.gz")) == (count > 20)
        again = fetching(archive)
        assert list(again.fetch(PROJECT)) == []
        assert again._web.bodies == 0
        gitlab(internet, {**files, "r/0.md": "# Edited"}, commit="c2")
        (edited,) = fetching(archive).fetch(PROJECT)
        assert edited.item == "r/0.md"
        assert [fact.value for fact in edited.hints] == ["2024-03-05T00:00:00Z"]


def test_a_project_whose_archive_is_refused_as_too_large_comes_file_by_file(
    internet, fetching, monkeypatch
):
    monkeypatch.setattr("ctimine.fetch.gitlab.MAX_ARCHIVE", 100)
    files = {f"r/{n}.md": f"# Report {n}" for n in range(30)}
    gitlab(internet, files)
    assert items(fetching().fetch(PROJECT)) == sorted(files)


@pytest.mark.parametrize(
    ("option", "sent"), [((), set()), ((("token_env", "OURS"),), {"git.company.example"})]
)
def test_a_gitlab_token_goes_to_the_server_that_it_is_named_for(
    internet, fetching, monkeypatch, option, sent
):
    """The usual variable is for gitlab.com: another server gets what its source names."""
    monkeypatch.setenv("GITLAB_TOKEN", "glpat-for-gitlab-com")
    monkeypatch.setenv("OURS", "glpat-for-our-server")
    gitlab(internet, {"a.md": "# A"}, host="git.company.example")
    source = Source(
        "g", kind="gitlab", url="https://git.company.example/lab/cti/reports", options=option
    )
    assert items(fetching().fetch(source)) == ["a.md"]
    told = {hit.host for hit in internet.hits if "authorization" in hit.headers}
    assert told == sent
    assert not any("for-gitlab-com" in str(hit.headers) for hit in internet.hits)


def test_the_usual_gitlab_token_goes_to_gitlab_com(internet, fetching, monkeypatch):
    monkeypatch.setenv("GITLAB_TOKEN", "glpat-for-gitlab-com")
    gitlab(internet, {"a.md": "# A"})
    assert items(fetching().fetch(PROJECT)) == ["a.md"]
    assert {hit.headers.get("authorization") for hit in internet.hits} == {
        "Bearer glpat-for-gitlab-com"
    }


def test_a_gitlab_inside_is_reached_by_name_alone(internet, fetching):
    internet.addresses["git.inside.example"] = ["10.1.2.3"]
    gitlab(internet, {"a.md": "# A"}, host="git.inside.example")
    url = "https://git.inside.example/lab/cti/reports"
    shut = fetching()
    assert list(shut.fetch(Source("g", kind="gitlab", url=url))) == []
    assert dict(shut.account.failed) == {"address refused": 1}
    opened = Source(
        "g", kind="gitlab", url=url, options=(("allow_private", ("git.inside.example",)),)
    )
    assert items(fetching().fetch(opened)) == ["a.md"]


def test_the_usual_github_token_does_not_go_to_an_enterprise_server(
    internet, fetching, monkeypatch
):
    monkeypatch.setenv("GITHUB_TOKEN", "ghp_for_github_com")
    options = (("api", "https://ghe.company.example/api/v3"),)
    internet.host("ghe.company.example", Reply(b"", 404))
    list(
        fetching().fetch(
            Source("g", kind="github", url="https://ghe.company.example/me/cti", options=options)
        )
    )
    assert internet.hits
    assert not any("authorization" in hit.headers for hit in internet.hits)


# -- TAXII and MISP

ROOT = "https://taxii.example/api/"
IDS = [f"{n}0000000-0000-4000-8000-000000000000" for n in "123456"]


def taxii(internet, rows, more=False):
    kind = {"Content-Type": "application/taxii+json;version=2.1"}

    def say(value, **headers):
        return Reply(json.dumps(value).encode(), headers={**kind, **headers})

    internet.at("https://taxii.example/taxii2/", say({"title": "T", "api_roots": [ROOT]}))
    internet.at(ROOT + "collections/", say({"collections": [{"id": "c", "can_read": True}]}))
    added = {"X-TAXII-Date-Added-Last": "2024-03-05T00:00:00.000000Z"}
    objects = ROOT + "collections/c/objects/"
    if more:
        internet.at(objects, say({"objects": rows[:1], "more": True, "next": "n1"}, **added))
        internet.at(objects + "?next=n1", say({"objects": rows[1:], "more": False}, **added))
    else:
        internet.at(objects, say({"objects": rows}, **added))
    internet.at(objects + "?added_after=2024-03-05T00%3A00%3A00.000000Z", say({}))


def test_a_taxii_report_comes_with_its_objects_and_only_once(internet, fetching, tmp_path):
    actor, technique = f"intrusion-set--{IDS[0]}", f"attack-pattern--{IDS[1]}"
    rows = [
        {
            "type": "report",
            "id": f"report--{IDS[2]}",
            "name": "R",
            "published": "2024-03-05T00:00:00Z",
            "object_refs": [actor, technique],
        },
        {"type": "intrusion-set", "id": actor, "name": "Silver Raven"},
        {"type": "attack-pattern", "id": technique, "name": "Phishing"},
    ]
    taxii(internet, rows, more=True)
    source = Source("t", kind="taxii", url="https://taxii.example/taxii2/")
    with Archive(tmp_path / "a") as archive:
        (found,) = fetching(archive).fetch(source)
        bundle = json.loads(found.body)
        assert [row["id"] for row in bundle["objects"]] == [f"report--{IDS[2]}", actor, technique]
        assert ("title", "R") in {(fact.field, fact.value) for fact in found.hints}
        assert list(fetching(archive).fetch(source)) == []


def test_a_taxii_report_that_changed_comes_with_what_came_before(internet, fetching, tmp_path):
    actor, technique = f"intrusion-set--{IDS[0]}", f"attack-pattern--{IDS[1]}"
    report = {
        "type": "report",
        "id": f"report--{IDS[2]}",
        "name": "R",
        "published": "2024-03-05T00:00:00Z",
        "object_refs": [actor, technique],
    }
    others = [
        {"type": "intrusion-set", "id": actor, "name": "Silver Raven"},
        {"type": "attack-pattern", "id": technique, "name": "Phishing"},
    ]
    taxii(internet, [report, *others])
    source = Source("t", kind="taxii", url="https://taxii.example/taxii2/")
    kind = {"Content-Type": "application/taxii+json;version=2.1"}
    objects = ROOT + "collections/c/objects/"
    with Archive(tmp_path / "a") as archive:
        assert len(list(fetching(archive).fetch(source))) == 1
        internet.at(
            objects + "?added_after=2024-03-05T00%3A00%3A00.000000Z",
            Reply(json.dumps({"objects": [{**report, "name": "R2"}]}).encode(), headers=kind),
        )
        internet.at(
            f"{objects}?match%5Bid%5D={technique},{actor}",
            Reply(json.dumps({"objects": others}).encode(), headers=kind),
        )
        (found,) = fetching(archive).fetch(source)
        names = [row.get("name") for row in json.loads(found.body)["objects"]]
        assert names == ["R2", "Silver Raven", "Phishing"]


def test_taxii_credentials_come_from_the_environment_and_go_to_the_server_alone(
    internet, fetching, monkeypatch
):
    monkeypatch.setenv("TAXII_USER", "me")
    monkeypatch.setenv("TAXII_PASSWORD", "correct horse")
    taxii(internet, [])
    options = (("user_env", "TAXII_USER"), ("password_env", "TAXII_PASSWORD"))
    list(
        fetching().fetch(
            Source("t", kind="taxii", url="https://taxii.example/taxii2/", options=options)
        )
    )
    assert all(hit.headers["authorization"].startswith("Basic ") for hit in internet.hits)
    assert {hit.host for hit in internet.hits} == {"taxii.example"}


def test_misp_events_with_a_new_stamp_are_fetched(internet, fetching, tmp_path):
    base = "https://misp.example/feed/"

    def serve(stamps):
        rows = {
            IDS[n]: {"info": f"Event {n}", "date": "2024-03-05", "timestamp": stamp}
            for n, stamp in enumerate(stamps)
        }
        internet.at(
            base + "manifest.json",
            Reply(json.dumps(rows).encode(), headers={"ETag": f'"{stamps}"'}),
        )
        for n, stamp in enumerate(stamps):
            internet.at(
                f"{base}{IDS[n]}.json", json.dumps({"Event": {"uuid": IDS[n], "t": stamp}}).encode()
            )

    serve(["1", "2"])
    source = Source("m", kind="misp", url=base)
    with Archive(tmp_path / "a") as archive:
        assert items(fetching(archive).fetch(source)) == IDS[:2]
        assert list(fetching(archive).fetch(source)) == []
        serve(["1", "3"])
        assert items(fetching(archive).fetch(source)) == [IDS[1]]


# -- ATT&CK

BASE = "https://attack.example/"


def release(internet, holds="18.1"):
    index = {"collections": [{"versions": [{"version": "9.0"}, {"version": "18.1"}]}]}
    internet.at(BASE + "index.json", json.dumps(index).encode())
    bundle = {
        "type": "bundle",
        "objects": [
            {"type": "x-mitre-collection", "x_mitre_version": holds},
            {"type": "attack-pattern", "x_mitre_domains": ["enterprise-attack"]},
        ],
    }
    internet.at(BASE + "enterprise-attack/enterprise-attack-18.1.json", json.dumps(bundle).encode())


def test_the_newest_release_is_fetched_and_verified(internet, fetching):
    release(internet)
    (found,) = fetch_releases(fetching(), address=BASE)
    assert found.item == "enterprise-attack-18.1.json"


def test_a_bundle_of_another_release_is_refused(internet, fetching):
    release(internet, holds="17.0")
    with pytest.raises(Exception, match=r"holds release 17\.0"):
        fetch_releases(fetching(), "18.1", address=BASE)


# -- kinds of others


def test_an_unknown_kind_is_an_error_that_names_the_known_ones(fetching):
    with pytest.raises(InputError, match="feed, folder, github"):
        fetching().fetch(Source("x", kind="gopher"))


@pytest.fixture
def gopher(tmp_path, monkeypatch):
    """A package of somebody else's, as an installer would lay it out: module and entry points."""
    code = (
        "async def fetch_gopher(visit):\n"
        "    got = await visit.get(visit.url)\n"
        "    await visit.give(visit.snapshot(got, 'one'))\n"
        "async def fetch_broken(visit):\n"
        "    raise KeyError('oops')\n"
    )
    (tmp_path / "ctimine_gopher.py").write_text(code)
    facts = tmp_path / "ctimine_gopher-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: ctimine-gopher\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(
        "[ctimine.fetchers]\n"
        "gopher = ctimine_gopher:fetch_gopher\n"
        "broken = ctimine_gopher:fetch_broken\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("ctimine_gopher", None)


def test_a_kind_can_come_from_an_entry_point(gopher, internet, fetching, tmp_path):
    internet.at(f"{SITE}/x", page())
    assert items(fetching().fetch(Source("x", kind="gopher", url=f"{SITE}/x"))) == ["one"]
    declared = tmp_path / "mine.toml"
    declared.write_text(f'[[source]]\nkey = "x"\nkind = "gopher"\nurl = "{SITE}/x"\n')
    assert [source.kind for source in load_sources(declared, catalogue=False)] == ["gopher"]


def test_a_kind_of_others_that_breaks_ends_its_source_and_not_the_run(gopher, internet, fetching):
    internet.at(f"{SITE}/x", page())
    fetcher = fetching()
    good = Source("p", kind="page", url=f"{SITE}/x")
    assert items(fetcher.fetch(Source("x", kind="broken"), good)) == [f"{SITE}/x"]
    assert dict(fetcher.account.failed) == {"broken fetcher": 1}
    assert {key: account.fetched for key, account in fetcher.accounts.items()} == {"x": 0, "p": 1}
