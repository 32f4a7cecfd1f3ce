"""What a person saw and says in words: that more threads did not help, that the disk was busy, that a card sat idle.

A sign is evidence for a cause and no proof. A question that asks whether it is so says nothing; one that asks why it is
so says that it is.
"""

from __future__ import annotations

import re

from pvekit.inference.reports.found import SAID, Found
from pvekit.inference.reports.prose.clauses import Clause, asks

_THREAD = r"(?:threads?|num_threads?|-t\b|cores?|cpus?|thread count|thread pool size)"
_FASTER = r"(?:fast(?:er|est)?|quick(?:er)?|better|best|improv\w+|higher|trick|fix\w*|solv\w*|help\w*|nominal\w*)"
_SLOWER = r"(?:slow(?:er|s|ing|est)?|wors\w*|drop\w*|degrad\w*|reduc\w*|decreas\w*|hurts?|unusable|crawl\w*|drastically)"

_SIGNS: tuple[tuple[str, str], ...] = (
    # fewer threads are faster, or more are slower
    ("fewer_threads_help", rf"\b(?:fewer|less|lower(?:ing)?|reduc\w+|decreas\w+|limit\w*)\b[^.]{{0,50}}?{_THREAD}[^.]{{0,60}}?\b{_FASTER}\b"),
    ("fewer_threads_help", rf"\b{_FASTER}\b[^.]{{0,40}}\b(?:fewer|less|lower|reduced) (?:\w+ )?{_THREAD}"),
    ("fewer_threads_help", rf"\b(?:more|increas\w+|higher|extra|all|max\w*|too many)\b[^.]{{0,40}}?{_THREAD}[^.]{{0,70}}?\b{_SLOWER}\b"),
    ("fewer_threads_help", rf"\b{_SLOWER}\b[^.]{{0,40}}?\b(?:more|increas\w+|higher|extra|too many)\b[^.]{{0,30}}?{_THREAD}"),
    ("fewer_threads_help", rf"\b{_SLOWER}\b[^.]{{0,30}}? as (?:the )?(?:number of )?{_THREAD}[^.]{{0,20}} (?:increase|grow|go)"),
    ("fewer_threads_help", rf"\b(?:too many {_THREAD}|{_THREAD} to a \W?(?:substantially )?\W?(?:lower|smaller) number|oversubscri\w+)"),
    ("fewer_threads_help", r"\b(\d{1,3})[- ]threads?(?:ed)?\b[^.]{0,60}?\b(?:much |far |way )?faster\b[^.]{0,40}?\b\d{1,3} threads?\b"),
    ("fewer_threads_help", rf"\bat \d{{1,3}} threads?[^.]{{0,40}}?\b{_SLOWER}\b|\b(?:running )?with \d{{1,2}} threads did the trick\b"),
    ("fewer_threads_help", r"\bthrashing\b[^.]{0,40}\bthreads?\b|\bthreads?\b[^.]{0,40}\bthrash\w*"),
    ("fewer_threads_help", r"\b\d{1,3} threads? (?:is|are|was|were) (?:\w+ ){0,2}?(?:as )?slow\w*|\bthreads? \d{1,3} (?:is|was) (?:\w+ )?slow"),
    # cores of two kinds
    ("slow_cores", r"\b(?:e-?cores?|efficiency cores?|little cores?|efficient cores?)\b"),
    # more threads gain nothing: what limits is memory
    ("more_threads_no_gain", rf"\b(?:more|above|beyond|increas\w+|number of|extra|any)\b[^.]{{0,60}}?{_THREAD}[^.]{{0,60}}?\b(?:no (?:\w+ ){{0,2}}?(?:gain|impact|effect|improvement|benefit|speed|difference|change)|(?:doesn'?t|does not|don'?t|not|without) (?:\w+ ){{0,2}}?(?:give|help|improve|affect|change|scale|matter|make)\w*)"),
    ("more_threads_no_gain", r"\b(?:difference|gain|improvement)\b[^.]{0,12}\bbarely\b|\bbarely any (?:difference|gain)|\bno (?:extra|additional) speed\b"),
    ("more_threads_no_gain", r"\bgeneration\b[^.]{0,30}\b(?:doesn'?t|does not) scale|\binference(?: eval\w*)? does(?: not|n'?t)\W*$|\b(?:tops?(?: out)?|peaks?|maxes|plateaus?|saturat\w+) at (?:around |about )?\d{1,3} threads"),
    ("memory_suspected", r"\bmemory[- ]bandwidth\b[^.]{0,40}\b(?:bottleneck|limit\w*|bound|constrain\w*|issue)|\b(?:bottleneck|limit\w*|bound|constrained)\b[^.]{0,30}\bmemory[- ]bandwidth|\bmemory[- ]bound\b"),
    # part of the processors is idle
    ("cores_idle", r"\b(?:only|just) (?:uses?|using|use|takes?|utili[sz]\w+) (?:about |around |up to )?(?:a single|one|two|three|four|half|\d{1,2}|1) ?(?:of (?:the |my )?(?:\d+ )?(?:available )?)?(?:v?cpus?|cores?|threads?)\b"),
    ("cores_idle", r"\b(?:only|just) (?:a single|one|two|three|four|half|\d{1,2}) (?:of (?:the |my )?(?:\d+ )?)?(?:v?cpus?|cores?|threads?)\b[^.]{0,20}\b(?:used|busy|active|working|utili[sz]ed|loaded|at 100)"),
    ("cores_idle", r"\b(?:uses?|using|used|utili[sz]\w+|runs? on|running on) (?:only|just) (?:a single|one|two|three|four|half|\d{1,2}|1) ?(?:of (?:the |my )?(?:\d+ )?(?:available )?)?(?:v?cpus?|cores?|threads?)\b"),
    ("cores_idle", r"\bhalf (?:of )?(?:the |my |all )?(?:v?cpus?|cores|threads)\b"),
    ("cores_idle", r"\b(?:limited|stuck|capped|restricted) (?:to|at|on) (?:only )?(?:a single|one|two|four|\d{1,2}) threads?\b|\b\d{1,3} (?:threads|cores) (?:sitting |sit |are )?idle\b|\bothers? still 0 ?%"),
    ("cores_idle", r"\bnot (?:using|utili[sz]ing) (?:all|every|the full) (?:\w+ ){0,2}?(?:cores?|cpus?|processors?|processor power|cpu power|threads?)\b|\b(?:cores?|cpus?) (?:\w+ ){0,3}?(?:not|aren'?t|never) (?:being )?(?:fully )?(?:used|utili[sz]ed)"),
    ("cores_idle", r"\b(?:allocates|uses) only (?:1|one) cpu\b|\ball threads (?:\w+ ){0,2}run on (?:this |a )?single cpu\b"),
    # the disk
    ("disk_busy", r"\b(?:constantly|keeps?|continu\w+|always|heavily|still|100 ?%) (?:\w+ ){0,2}?(?:reading|reads?|loading|thrash\w+|hammer\w+|paging)\b[^.]{0,30}\b(?:disk|ssd|nvme|hdd|drive)\b"),
    ("disk_busy", r"\b(?:hammer\w+|thrash\w+) (?:\w+ ){0,3}?(?:disk|ssd|nvme|hdd|drive|swap)\b|\bpage thrashing\b|\bdisk[- ]bound\b|\bswap(?:ping)? thrash\w*|\b(?:disk|ssd|nvme|hdd) (?:\w+ ){0,3}?(?:100 ?%|maxed|pegged)"),
    ("disk_busy", r"\b(?:read|reread|re-read|paged|streamed|loaded) (?:\w+ ){0,4}?(?:from|off) (?:the )?(?:swap|disk|ssd|nvme|hdd)\b[^.]{0,40}\b(?:every|each|per|times|again)"),
    ("disk_busy", r"\b(?:does(?: not|n'?t)|not|won'?t|can'?t) (?:fully )?fit (?:\w+ ){0,3}?(?:ram|system memory|main memory)\b|\brequires? swap\b|\blarger than (?:my |the |available |system )*(?:ram|memory)\b"),
    # the card's memory
    ("card_spills", r"\bshared (?:gpu |video )?(?:memory|vram)\b|\bsys(?:tem )?mem(?:ory)? fallback\b|\bspill\w* (?:\w+ ){0,4}?(?:system|shared|main|cpu)? ?(?:memory|ram)\b|\bgraphics card is using the normal ram\b|\boverflow\w* (?:\w+ ){0,3}?(?:ram|system memory)"),
    ("card_too_small", r"\b(?:does(?: not|n'?t)|not|won'?t|can'?t|cannot) (?:\w+ ){0,3}?fit (?:\w+ ){0,5}?(?:vram|gpu|card)\b|\b(?:exceeds?|larger than|bigger than|more than) (?:my |the |available )*(?:vram|gpu memory)\b|\bnot enough vram\b|\blimited vram\b"),
    ("card_context", r"\b(?:context|ctx|num_ctx|kv[- ]cache)\b[^.]{0,60}\b(?:vram|gpu memory|offload\w*|layers|spill\w*)|\b(?:reduc\w+|lower\w*|smaller|shorter) (?:the )?(?:context|num_ctx|ctx)\b[^.]{0,40}\b(?:fast\w*|fit\w*|fix\w*|help\w*|solv\w*)"),
    ("card_held_back", r"\b(?:gpu|card|vram|it)\b[^.]{0,50}\b(?:stuck|stays?|locked|remains?|never (?:leaves|enters|reaches|goes))\b[^.]{0,25}\b(?:\d{3,4} ?mhz|p[0-9]\b|idle clocks?|low power)|\b(?:gpu|card)\b[^.]{0,30}\b(?:power[- ]?(?:limit|cap)\w*|throttl\w+|thermal limit)"),
    # NUMA
    ("nodes_matter", r"\bnumactl\b[^.]{0,60}|\b--numa (?:distribute|isolate|numactl)\b|\bnot accessing local memory\b|\b(?:only |just )?one (?:numa )?node\b[^.]{0,40}\b(?:allocat\w+|memory|bandwidth)|\b(?:cross|slow|far|other)[- ](?:socket|numa|upi|qpi)\b|\bupi link\b|\bqpi\b|\bnuma (?:aware\w*|node|nodes|issue|problem|setting|mirror)\b|\binterleav\w+ (?:memory|all)\b|\bnuma (?:enabled|disabled|on|off|support)\b|\b(?:disabl\w+|enabl\w+|without|no) (?:\w+ )?numa\b"),
    # the clock of the processor
    ("clock_falls", r"\b(?:cpus?|cores?|clocks?(?: speeds?)?|frequenc(?:y|ies))\b[^.]{0,50}\b(?:clock(?:s|ing)? (?:way |right )?down|slowing (?:way )?down|drop(?:s|ping|ped)?(?: down)? to|stuck at|locked at|throttl\w+|never boosts?|downclock\w*)\b"),
    # the conversation
    ("slower_with_depth", r"\b(?:slow(?:s|er)?|drops?|decreas\w*|degrad\w*)\b[^.]{0,50}\b(?:as|when|with|once) (?:the |a |my )?(?:\w+ )?(?:context|conversation|chat|history|prompt|story)\b[^.]{0,20}\b(?:grows?|gets?|increas\w*|fills?|long\w*|large\w*|reach\w*)|\b(?:context|conversation|chat) (?:grows|gets longer|fills up)\b[^.]{0,50}\b(?:slow\w*|drops?)"),
    # the build
    ("build_matters", r"\b(?:built|compiled|wheels?|binar\w+|packages?|build)\b[^.]{0,50}\b(?:without|no|lacks?|missing|disabl\w*)\b[^.]{0,20}\bAVX"),
    # others on the machine
    ("others_busy", r"\b(?:noisy neighbou?rs?|other vms? (?:\w+ ){0,3}?(?:busy|load\w*|running|using)|overcommit\w*|oversubscribed host|cpu steal)\b"),
)  # fmt: skip
_PATTERNS = tuple((name, re.compile(pattern, re.IGNORECASE)) for name, pattern in _SIGNS)
_NOT = re.compile(r"\b(?:isn'?t|not|never|no) (?:\w+ ){0,2}$", re.IGNORECASE)


def read(clauses: tuple[Clause, ...], found: Found) -> None:
    """Keep the signs of a sentence, over its clauses."""
    if not clauses:
        return
    sentence, line = clauses[0].sentence, clauses[0].line
    if asks(sentence):
        return
    for name, pattern in _PATTERNS:
        match = pattern.search(sentence)
        if match is not None and _NOT.search(sentence[max(0, match.start() - 24) : match.start()]) is None:
            found.say(f"sign.{name}", True, line, SAID)
